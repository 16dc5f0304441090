// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// answerLimit is the longest answer of a server that is read, in bytes.
const answerLimit = 1 << 20

// podClient talks to one pod address at a time: no proxy, no redirects, and no idle connection that would outlive the
// pod.
var podClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// httpAddress is where the server in a pod answers the operator.
func httpAddress(podIP string) string {
	return net.JoinHostPort(podIP, strconv.Itoa(int(PortNumberHTTP)))
}

// ask gets a JSON document from a server, of at most 1 MiB.
func ask(ctx context.Context, url, token string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := podClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("server answers %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if err != nil {
		return fmt.Errorf("reading answer: %w", err)
	}
	if len(body) > answerLimit {
		return fmt.Errorf("reading answer: more than %d bytes", answerLimit)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("reading answer: %w", err)
	}
	return nil
}
