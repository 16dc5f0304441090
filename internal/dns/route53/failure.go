// SPDX-License-Identifier: Apache-2.0

package route53

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// taggedCredentials tell their own failures from those of requests.
type taggedCredentials struct{ aws.CredentialsProvider }

// Retrieve the credentials.
func (c taggedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	found, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return found, &credentialsError{err}
	}
	return found, nil
}

type credentialsError struct{ error }

func (e *credentialsError) Unwrap() error { return e.error }

// failure of a request that the action is needed for.
func (p *Provider) failure(err error, action string) error {
	var missing *credentialsError
	var api smithy.APIError
	switch {
	case errors.Is(err, dns.ErrNoTurn):
		return p.rateLimited(err)
	case errors.As(err, &missing):
		return &dns.Error{
			Reason: v1alpha1.ReasonCredentialsRejected,
			Message: fmt.Sprintf("there are no AWS credentials for zone %s; the platform team names a Secret with an access key in the "+
				"DNSZone, or gives the operator's pod a role", p.zoneName()),
			Err: err,
		}
	case !errors.As(err, &api):
		return p.unavailable(wire.Trouble(err), err)
	}
	return p.refusal(api, err, action)
}

// refusal turns an error code into the reason it stands for
// (https://docs.aws.amazon.com/Route53/latest/APIReference/CommonErrors.html).
func (p *Provider) refusal(api smithy.APIError, err error, action string) error {
	if _, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]; throttled {
		return p.rateLimited(err)
	}
	switch code := api.ErrorCode(); code {
	case "InvalidChangeBatch":
		return p.invalidBatch(err)
	case "NoSuchHostedZone":
		return p.noZone()
	case "AccessDenied", "AccessDeniedException":
		return &dns.Error{
			Reason: v1alpha1.ReasonUpdateRefused,
			Message: fmt.Sprintf("the AWS credentials for zone %s may not do %s; whoever runs the AWS account allows it in their policy, "+
				"of which docs/guides/dns.md has an example", p.zoneName(), action),
			Permanent: true, PerName: true, Err: err,
		}
	case "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return p.skewed(err)
	case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
		"ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "MissingAuthenticationToken", "AuthFailure":
		// The clock, too, makes a signature that does not match.
		if strings.Contains(api.ErrorMessage(), "Signature expired") || strings.Contains(api.ErrorMessage(), "Signature not yet current") {
			return p.skewed(err)
		}
		return &dns.Error{
			Reason: v1alpha1.ReasonCredentialsRejected,
			Message: fmt.Sprintf("%s does not accept the AWS credentials for zone %s (%s); the platform team puts a valid access key into "+
				"the Secret that the DNSZone names, or corrects the role of the operator's pod", p.service(), p.zoneName(), code),
			Permanent: true, Err: err,
		}
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode()/100 == http.StatusBadRequest/100 {
		return p.rejected(fmt.Sprintf("%s: %s", api.ErrorCode(), api.ErrorMessage()))
	}
	return p.unavailable("answers with an internal error", err)
}

// invalidBatch is a prerequisite that does not hold, or else something that Route 53 does not take at all.
func (p *Provider) invalidBatch(err error) error {
	var invalid *types.InvalidChangeBatch
	if !errors.As(err, &invalid) {
		return p.unavailable("answers with an error that can't be read", err)
	}
	messages := invalid.Messages
	if len(messages) == 0 {
		messages = []string{strings.Trim(invalid.ErrorMessage(), "[]")}
	}
	text := strings.Join(messages, ", ")
	if slices.ContainsFunc([]string{
		"but it already exists", "but it was not found", "do not match the current values", "conflicting RRSet of type",
		"conflicts with other records",
	}, func(words string) bool { return strings.Contains(text, words) }) {
		return dns.ErrPrerequisite
	}
	return p.rejected(text)
}

func (p *Provider) rateLimited(cause error) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonRateLimited,
		Message: fmt.Sprintf("%s has no room for more requests about zone %s: an AWS account has five per second; the operator slows down "+
			"and tries again, and whoever runs the account finds out what else uses them up", p.service(), p.zoneName()),
		Err: cause,
	}
}

func (p *Provider) rejected(what string) *dns.Error {
	return &dns.Error{
		Reason:    v1alpha1.ReasonUpdateRejected,
		Message:   fmt.Sprintf("%s can't take the change of zone %s: %s", p.service(), p.zoneName(), what),
		Permanent: true,
		PerName:   true,
	}
}

func (p *Provider) wrongZone(what string) *dns.Error {
	return &dns.Error{
		Reason:    v1alpha1.ReasonNotAuthoritative,
		Message:   what + "; the platform team puts the ID of the right hosted zone, or credentials of the right account, into the DNSZone",
		Permanent: true,
	}
}

// noZone has the ID. One that was found by its name may have been replaced by another of that name.
func (p *Provider) noZone() *dns.Error {
	if p.given != "" {
		return p.wrongZone(fmt.Sprintf("the AWS account has no hosted zone with the ID given for %s", p.zoneName()))
	}
	p.found.Store(nil)
	return &dns.Error{
		Reason: v1alpha1.ReasonNotAuthoritative,
		Message: fmt.Sprintf("the hosted zone %s that the AWS account had is gone; the operator looks for one of that name again, which "+
			"whoever runs the account sets up", p.zoneName()),
	}
}

func (p *Provider) skewed(err error) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonClockSkew,
		Message: fmt.Sprintf("%s refuses the signature for zone %s because of its time; whoever runs the node of the operator sets its "+
			"clock", p.service(), p.zoneName()),
		Permanent: true, Err: err,
	}
}

func (p *Provider) unavailable(what string, cause error) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonServerUnavailable,
		Message: fmt.Sprintf("%s, needed for zone %s, %s; whoever runs the network lets the operator reach it, or wait until it is back",
			p.service(), p.zoneName(), what),
		Err: cause,
	}
}

// service is the name of the API in messages.
func (p *Provider) service() string {
	if p.endpoint != "" {
		return "the Route 53 endpoint " + p.endpoint
	}
	return "Route 53"
}

func (p *Provider) zoneName() string { return dns.Display(p.Apex()) }
