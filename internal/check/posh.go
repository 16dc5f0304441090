// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

const (
	poshPath = "/.well-known/posh/xmpp-server.json" // RFC 7711 section 3.1
	// maxPOSH is how many bytes of a file are read.
	maxPOSH = 64 << 10
	// poshPatience is how long a web server may take, which most domains don't have for this.
	poshPatience = 2 * time.Second
	// maxReferrals is how often a file may refer to another (RFC 7711 section 3.2 has one in mind).
	maxReferrals = 3
)

var errNoPOSH = errors.New("no such file")

// poshFile is the JSON of RFC 7711 sections 3.1 and 3.2.
type poshFile struct {
	Fingerprints []map[string]string `json:"fingerprints"`
	URL          string              `json:"url"`
}

// examinePOSH compares the certificate served with the fingerprints that the domain's web server lists, if it does.
func (c *Checker) examinePOSH(ctx context.Context, s Subject, probes []probe, p patience) []Result {
	var file poshFile
	var err error
	within(ctx, min(poshPatience, p.stream), func(ctx context.Context) { file, err = c.fetchPOSH(ctx, s, p) })
	if err != nil {
		if !errors.Is(err, errNoPOSH) {
			return []Result{{
				ID: POSH, Mark: Warn,
				Words: "the file " + poshPath + " is there, but of no use (" + phrase.Clean(err.Error(), maxRecord) + ")",
				Fix:   s.remedy("correct or remove it"),
			}}
		}
		return []Result{skipped(POSH, "", "the domain publishes none")}
	}
	return s.judgePOSH(file, probes)
}

// judgePOSH judges what the servers serve by the file.
func (s Subject) judgePOSH(file poshFile, probes []probe) []Result {
	var results []Result
	for _, pr := range probes {
		subject := pr.address.String()
		switch {
		case pr.leaf == nil:
			results = append(results, skipped(POSH, subject, "no certificate could be seen there"))
		case !file.lists(pr.leaf.Raw):
			sum := sha256.Sum256(pr.leaf.Raw)
			results = append(results, Result{
				ID: POSH, Subject: subject, Mark: Fail, Words: "the file " + poshPath + " does not list the certificate served",
				Fix: s.remedy("add the fingerprint sha-256 " + base64.StdEncoding.EncodeToString(sum[:]) + " to it, or remove the file"),
			})
		default:
			results = append(results, passed(POSH, subject, "the file "+poshPath+" lists the certificate served"))
		}
	}
	return results
}

// lists tells whether the file has the certificate, by any hash that it names.
func (f poshFile) lists(certificate []byte) bool {
	short, long := sha256.Sum256(certificate), sha512.Sum512(certificate)
	return slices.ContainsFunc(f.Fingerprints, func(hashes map[string]string) bool {
		return hashes["sha-256"] == base64.StdEncoding.EncodeToString(short[:]) ||
			hashes["sha-512"] == base64.StdEncoding.EncodeToString(long[:])
	})
}

// fetchPOSH gets the file, and what it refers to. errNoPOSH: the domain has none.
func (c *Checker) fetchPOSH(ctx context.Context, s Subject, p patience) (poshFile, error) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return c.dialHost(ctx, s, address, p) },
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: s.Roots, Time: c.Now,
		},
		DisableKeepAlives: true,
	}
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	place := (&url.URL{Scheme: "https", Host: s.Domain, Path: poshPath}).String()
	for i := range maxReferrals {
		file, err := getPOSH(ctx, client, place)
		if i > 0 && errors.Is(err, errNoPOSH) {
			err = fmt.Errorf("it refers to %s, where there is none", place)
		}
		if err != nil || file.URL == "" {
			return file, err
		}
		if !strings.HasPrefix(file.URL, "https://") {
			return file, fmt.Errorf("it refers to %s, which is not secure", file.URL)
		}
		place = file.URL
	}
	return poshFile{}, errors.New("it refers from place to place")
}

func getPOSH(ctx context.Context, client http.Client, place string) (file poshFile, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return file, err
	}
	response, err := client.Do(request)
	if err != nil {
		return file, errNoPOSH // the domain need not have a web server
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return file, errNoPOSH
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxPOSH))
	if err != nil {
		return file, fmt.Errorf("reading it: %w", err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		if strings.HasPrefix(strings.TrimSpace(string(data)), "<") {
			return file, errNoPOSH // a web site that answers everything
		}
		return file, fmt.Errorf("reading it: %w", err)
	}
	return file, nil
}

// dialHost connects to a host that the given resolvers know.
func (c *Checker) dialHost(ctx context.Context, s Subject, address string, p patience) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := c.addressesOf(ctx, s.Resolvers, host, p)
	if err != nil {
		return nil, err
	}
	return c.Dialer.DialContext(ctx, "tcp", net.JoinHostPort(addresses[0].String(), port))
}
