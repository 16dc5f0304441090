// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// ErrNoTurn is in the chain of an Error of a request that was never made: it could not have had its turn in time among the
// operator's own requests to a service that limits them. It tells nothing of the service.
var ErrNoTurn = errors.New("too many requests wait for their turn")

// answerTime is what a request has left for itself when its turn comes. With less, a service that is well would look as if it did
// not answer.
const answerTime = 2 * time.Second

// AwaitTurn waits for the turn of a request. It returns ErrNoTurn, at once, if that would come too late.
func AwaitTurn(ctx context.Context, limiter *rate.Limiter) error {
	if deadline, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-answerTime))
		defer cancel()
	}
	if err := limiter.Wait(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrNoTurn, err)
	}
	return nil
}
