// SPDX-License-Identifier: Apache-2.0

package cloudflare

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/zones"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// Error codes of the API. There is no list of them; these are the ones that its messages, forums and clients name.
const (
	codeBadHeaders      = 6003
	codeToken           = 9109
	codeCantIdentify    = 10001
	codeNoRoute         = 7003
	codeNoZone          = 1001
	codeTTL             = 9021
	codeGone            = 81044
	codeHostExists      = 81053
	codeAliasExists     = 81054
	codeExists          = 81057
	codeIdenticalExists = 81058
)

// maxBatch is how many records one batch changes at most, in a zone of the free plan; others may change 3,500
// (https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/).
const maxBatch = 200

// What Cloudflare takes at most (https://developers.cloudflare.com/dns/manage-dns-records/reference/dns-record-types/): bytes of a
// record as it goes over the wire (RFC 1035 section 3.2.1), and characters of all records with the same name and type.
const (
	maxRecord     = 4096
	maxCharacters = 8192
)

// apiErrors are the errors of an answer.
type apiErrors []apiError

// apiError comes with what caused it.
type apiError struct {
	Code       int       `json:"code"`
	Message    string    `json:"message"`
	ErrorChain apiErrors `json:"error_chain"`
}

func parseErrors(err *sdk.Error) apiErrors {
	var answer struct {
		Errors apiErrors `json:"errors"`
	}
	if json.Unmarshal([]byte(err.JSON.RawJSON()), &answer) != nil {
		return nil
	}
	return answer.Errors
}

func (e apiErrors) has(codes ...int) bool {
	for _, one := range e {
		if slices.Contains(codes, one.Code) || one.ErrorChain.has(codes...) {
			return true
		}
	}
	return false
}

// badToken tells a token that is none from one that may not be used for the request, or from the operator's address: all have the
// same code.
func (e apiErrors) badToken() bool {
	return slices.ContainsFunc(e, func(one apiError) bool {
		return one.Code == codeToken && strings.EqualFold(one.Message, "Invalid access token") || one.ErrorChain.badToken()
	})
}

func (e apiErrors) String() string {
	var out []string
	for _, one := range e {
		out = append(out, fmt.Sprintf("%s (%d)", one.Message, one.Code))
		if chain := one.ErrorChain.String(); chain != "" {
			out = append(out, chain)
		}
	}
	return strings.Join(out, ", ")
}

// failure of a request. There may be no response.
func (p *Provider) failure(err error, response *http.Response) error {
	var api *sdk.Error
	switch isAPI := errors.As(err, &api); {
	case errors.Is(err, dns.ErrNoTurn):
		return p.rateLimited(err)
	case isAPI:
		return p.refusal(api.StatusCode, parseErrors(api), err)
	case response != nil && response.StatusCode >= http.StatusBadRequest:
		return p.refusal(response.StatusCode, nil, err)
	default:
		return p.unavailable(wire.Trouble(err), err)
	}
}

// refusal turns status and codes into the reason they stand for.
func (p *Provider) refusal(status int, codes apiErrors, err error) error {
	switch {
	case codes.has(codeGone, codeHostExists, codeAliasExists, codeExists, codeIdenticalExists):
		return dns.ErrPrerequisite
	case status == http.StatusTooManyRequests:
		return p.rateLimited(err)
	case status >= http.StatusInternalServerError:
		return p.unavailable("answers with an internal error", err)
	case status == http.StatusUnauthorized || codes.badToken() || codes.has(codeBadHeaders, codeCantIdentify):
		return &dns.Error{
			Reason: v1alpha1.ReasonCredentialsRejected,
			Message: fmt.Sprintf("Cloudflare does not accept the API token for zone %s; the platform team puts a valid one into the "+
				"Secret that the DNSZone names", p.zoneName()),
			Permanent: true, Err: err,
		}
	case status == http.StatusForbidden:
		p.found.Store(nil) // a zone that is gone may be out of the token's reach
		return &dns.Error{
			Reason: v1alpha1.ReasonUpdateRefused,
			Message: fmt.Sprintf("the Cloudflare API token may not change zone %s; whoever runs the account gives it the permissions "+
				"Zone.DNS Edit and Zone.Zone Read for this zone, and lets the operator's address use it", p.zoneName()),
			Permanent: true, Err: err,
		}
	case status == http.StatusNotFound || codes.has(codeNoRoute, codeNoZone):
		return p.noZone()
	case codes.has(codeTTL):
		return p.rejected("it takes no TTL below 60 seconds, or 30 in an Enterprise zone; the application team sets spec.dns.ttl of the " +
			"Federation to at least that")
	default:
		return p.rejected(codes.String() + "; the application team changes what it names")
	}
}

func (p *Provider) rateLimited(cause error) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonRateLimited,
		Message: fmt.Sprintf("there is no room for more requests to Cloudflare about zone %s: a user has 1,200 in five minutes; the "+
			"operator tries again, and whoever runs the account finds out what else uses them up", p.zoneName()),
		Err: cause,
	}
}

func (p *Provider) rejected(what string) *dns.Error {
	return &dns.Error{
		Reason:    v1alpha1.ReasonUpdateRejected,
		Message:   fmt.Sprintf("Cloudflare can't take the change of zone %s: %s", p.zoneName(), what),
		Permanent: true,
		PerName:   true,
	}
}

func (p *Provider) wrongZone(what string) *dns.Error {
	return &dns.Error{
		Reason:    v1alpha1.ReasonNotAuthoritative,
		Message:   what + "; the platform team puts the ID of the right zone, or a token for it, into the DNSZone",
		Permanent: true,
	}
}

// noZone has the ID. One that was found by its name may have been replaced by another of that name.
func (p *Provider) noZone() *dns.Error {
	if p.given != "" {
		return p.wrongZone("Cloudflare has no zone with the ID given for " + p.zoneName() + ", or the API token does not lead to it")
	}
	p.found.Store(nil)
	return &dns.Error{
		Reason: v1alpha1.ReasonNotAuthoritative,
		Message: fmt.Sprintf("the zone %s that Cloudflare had is gone, or the API token does not lead to it any more; the operator looks "+
			"for one of that name again, which whoever runs the account sets up", p.zoneName()),
	}
}

// notActive is a zone that Cloudflare has but the world does not ask it for.
func (p *Provider) notActive(zone *zones.Zone) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonNotAuthoritative,
		Message: fmt.Sprintf("zone %s is %s at Cloudflare and not active; whoever registered the domain has it delegated to %s",
			p.zoneName(), zone.Status, strings.Join(zone.NameServers, " and ")),
		Permanent: true,
	}
}

func (p *Provider) unavailable(what string, cause error) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonServerUnavailable,
		Message: fmt.Sprintf("Cloudflare's API, needed for zone %s, %s; whoever runs the network lets the operator reach it, or wait "+
			"until it is back", p.zoneName(), what),
		Err: cause,
	}
}

// checkPut refuses what Cloudflare would misunderstand or not take.
func (p *Provider) checkPut(change dns.Change) error {
	if err := change.CheckNames(p.Apex()); err != nil {
		return err
	}
	for _, set := range change.Put {
		if tooLarge(set) {
			return dns.ErrTooLarge
		}
	}
	return nil
}

// tooLarge reports whether a set of text records, which alone can, breaks a limit.
func tooLarge(set dns.RRset) bool {
	characters := 0
	for _, d := range set.Data {
		text, _ := d.(dns.TXT)
		// Before the strings stand the name, and ten bytes for type, class, TTL and length.
		size := len(set.Name) + 1 + 10
		for _, s := range text {
			size += 1 + len(s)
		}
		if size > maxRecord {
			return true
		}
		characters += len(d.String())
	}
	return set.Type == dns.TypeTXT && characters > maxCharacters
}

func (p *Provider) zoneName() string { return dns.Display(p.Apex()) }
