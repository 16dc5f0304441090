// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/xmppfed/xmppfed/internal/check"
)

// hostedElsewhere are jobs about a partner that hosts our domain, so that a ping of it gets no answer.
func hostedElsewhere(answer func(context.Context) []check.Result) []job {
	return []job{
		{about: "gmail.com", run: func(context.Context) []check.Result {
			return []check.Result{{ID: check.HostedThere, Domain: "gmail.com", Mark: check.Fail}}
		}},
		{about: "a ping of gmail.com", pings: "gmail.com", run: answer},
	}
}

func workroom() *environment {
	return &environment{IOStreams: genericiooptions.IOStreams{ErrOut: io.Discard}, getenv: func(string) string { return "" }}
}

func TestASilentPingIsNotWaitedForWhenItIsKnownWhy(t *testing.T) {
	results := workroom().work(t.Context(), hostedElsewhere(func(ctx context.Context) []check.Result {
		<-ctx.Done()
		return unpinged(ctx, "gmail.com", ctx.Err())
	}), []string{"cupdomain.com"}, time.Millisecond)
	if len(results) != 2 || results[1].ID != check.RoundTrip || results[1].Because != check.HostedThere || results[1].Mark != check.Skip {
		t.Errorf("got %+v", results)
	}
}

func TestAnAnswerThatComesSoonCounts(t *testing.T) {
	results := workroom().work(t.Context(), hostedElsewhere(func(context.Context) []check.Result {
		return []check.Result{{ID: check.PartnerTCP, Domain: "gmail.com", Mark: check.Fail}}
	}), []string{"cupdomain.com"}, time.Minute)
	if len(results) != 2 || results[1].ID != check.PartnerTCP || results[1].Mark != check.Fail {
		t.Errorf("got %+v", results)
	}
}
