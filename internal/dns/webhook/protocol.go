// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// mediaType of everything that is sent and received, with the version of the protocol.
const mediaType = "application/external.dns.webhook+json;version=1"

// maxAnswer is as much of an answer as ExternalDNS reads, too.
const maxAnswer = 32 << 20

// endpoint is ExternalDNS' view of a record set. What we don't understand is sent back as it came.
type endpoint struct {
	DNSName          string            `json:"dnsName,omitempty"`
	Targets          []string          `json:"targets,omitempty"`
	RecordType       string            `json:"recordType,omitempty"`
	SetIdentifier    string            `json:"setIdentifier,omitempty"`
	RecordTTL        int64             `json:"recordTTL,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"`
	ProviderSpecific json.RawMessage   `json:"providerSpecific,omitempty"`
}

// changes are what one request asks for. Members of updateOld and updateNew belong together by their place.
type changes struct {
	Create    []endpoint `json:"create,omitempty"`
	UpdateOld []endpoint `json:"updateOld,omitempty"`
	UpdateNew []endpoint `json:"updateNew,omitempty"`
	Delete    []endpoint `json:"delete,omitempty"`
}

func (c changes) empty() bool { return len(c.Create)+len(c.UpdateNew)+len(c.Delete) == 0 }

// domainFilter says which domains a provider is for. Older servers say filters where newer ones say include.
type domainFilter struct {
	Include []string `json:"include"`
	Filters []string `json:"filters"`
	Exclude []string `json:"exclude"`
}

// call the webhook. The answer is decoded into result unless that is nil.
func (p *Provider) call(ctx context.Context, method, path string, body, result any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding a request: %w", err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, p.url.JoinPath(path).String(), content)
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	request.Header.Set("Accept", mediaType)
	if body != nil {
		request.Header.Set("Content-Type", mediaType)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return p.unavailable(wire.Trouble(err), err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case response.StatusCode/100 != 2:
		return p.refused(method, path, response.StatusCode)
	case err != nil:
		return p.unavailable(wire.Trouble(err), err)
	case result == nil:
		return nil
	case !sameMediaType(response.Header.Get("Content-Type")):
		return p.notWebhook(errors.New("its answer is of another media type"))
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return p.notWebhook(err)
	}
	return nil
}

func sameMediaType(got string) bool {
	want, _, _ := mime.ParseMediaType(mediaType)
	name, parameters, err := mime.ParseMediaType(got)
	return err == nil && name == want && parameters["version"] == "1"
}

// refused turns a status code into an error: 5xx are worth another try, all others are not.
func (p *Provider) refused(method, path string, status int) *dns.Error {
	switch {
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests:
		return p.unavailable(fmt.Sprintf("answers %s %s with status %d", method, path, status), nil)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return &dns.Error{
			Reason: v1alpha1.ReasonUpdateRefused,
			Message: fmt.Sprintf("the webhook %s of zone %s refuses %s %s with status %d; whoever runs it gives it credentials with the "+
				"right to change the zone", p.url, p.zoneName(), method, path, status),
			Permanent: true,
		}
	case status >= http.StatusBadRequest:
		return &dns.Error{
			Reason: v1alpha1.ReasonUpdateRejected,
			Message: fmt.Sprintf("the webhook %s of zone %s can't process %s %s (status %d); whoever runs it looks into its log for what "+
				"it does not support", p.url, p.zoneName(), method, path, status),
			Permanent: true,
		}
	default:
		return p.notWebhook(fmt.Errorf("status %d", status))
	}
}

func (p *Provider) unavailable(what string, cause error) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonServerUnavailable,
		Message: fmt.Sprintf("the webhook %s of zone %s %s; whoever runs it starts it or looks into its log, or correct the url in the "+
			"DNSZone", p.url, p.zoneName(), what),
		Err: cause,
	}
}

func (p *Provider) notWebhook(cause error) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonUpdateRejected,
		Message: fmt.Sprintf("what answers at %s for zone %s is no webhook provider of ExternalDNS with protocol version 1; correct the "+
			"url in the DNSZone", p.url, p.zoneName()),
		Permanent: true,
		Err:       cause,
	}
}

func (p *Provider) zoneName() string { return dns.Display(p.Apex()) }
