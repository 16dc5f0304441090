// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// adminKey may read and change everything at the lab's DNS servers.
const adminKey = "lab-admin."

// tries before a server counts as not answering: a busy machine loses datagrams.
const tries = 3

// Answer to a question.
type Answer struct {
	// Data of the record set in presentation form, sorted. A name or type that does not exist has none.
	Data []string
	// TTL is how long the answer may be kept.
	TTL time.Duration
	// Validated is what a resolver says about signatures (the AD bit, RFC 4035 section 3.2.3).
	Validated bool
}

// Query asks one server, without recursion, for the data of a record set in presentation form, sorted. A name or type
// that does not exist is no error.
func Query(ctx context.Context, server, name string, recordType uint16) ([]string, error) {
	answer, err := ask(ctx, server, name, recordType, false)
	return answer.Data, err
}

// Resolve asks a resolver for a record set. A name or type that does not exist is no error.
func Resolve(ctx context.Context, resolver, name string, recordType uint16) (Answer, error) {
	return ask(ctx, resolver, name, recordType, true)
}

func ask(ctx context.Context, server, name string, recordType uint16, recurse bool) (Answer, error) {
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), recordType)
	question.RecursionDesired, question.AuthenticatedData = recurse, recurse
	client := dns.Client{Timeout: 2 * time.Second}
	var answer *dns.Msg
	var err error
	for range tries {
		if answer, _, err = client.ExchangeContext(ctx, question, server); err == nil {
			break
		}
	}
	if err != nil {
		return Answer{}, fmt.Errorf("asking %s for %s %s: %w", server, name, dns.TypeToString[recordType], err)
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return Answer{}, fmt.Errorf("asking %s for %s %s: %s", server, name, dns.TypeToString[recordType], dns.RcodeToString[answer.Rcode])
	}
	found := Answer{Validated: answer.AuthenticatedData}
	for _, rr := range answer.Answer {
		if rr.Header().Rrtype == recordType {
			found.Data = append(found.Data, strings.TrimPrefix(rr.String(), rr.Header().String()))
			found.TTL = time.Duration(rr.Header().Ttl) * time.Second
		}
	}
	slices.Sort(found.Data)
	return found, nil
}

// Transfer returns every record of a zone at the primary in presentation form, sorted; the start of authority, which
// changes with every update, is left out.
func Transfer(zone string) ([]string, error) {
	secret, err := os.ReadFile(Dir + "/dns/keys/lab-admin.secret")
	if err != nil {
		return nil, fmt.Errorf("reading the key for zone transfers: %w", err)
	}
	request := new(dns.Msg).SetAxfr(dns.Fqdn(zone))
	request.SetTsig(adminKey, dns.HmacSHA256, 300, time.Now().Unix())
	transfer := dns.Transfer{TsigSecret: map[string]string{adminKey: strings.TrimSpace(string(secret))}}
	envelopes, err := transfer.In(request, Primary)
	if err != nil {
		return nil, fmt.Errorf("transferring zone %s: %w", zone, err)
	}
	var records []string
	for envelope := range envelopes {
		if envelope.Error != nil {
			return nil, fmt.Errorf("transferring zone %s: %w", zone, envelope.Error)
		}
		for _, rr := range envelope.RR {
			if rr.Header().Rrtype != dns.TypeSOA {
				records = append(records, rr.String())
			}
		}
	}
	slices.Sort(records)
	return records, nil
}

// Update runs commands of nsupdate(1) at the primary, with a key that may change everything.
func Update(ctx context.Context, commands ...string) error {
	cmd, err := Command(ctx, "dns", "update")
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(strings.Join(append(commands, "send"), "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("updating the lab's DNS: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
