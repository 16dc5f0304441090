// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"fmt"
	"time"
)

// maxEnding is how long the manager may take to end: a little less than what a pod has until it is killed.
const maxEnding = 25 * time.Second

// ending runs start until the context ends, and does not wait for long then: a manager whose caches are never filled does not end.
func ending(ctx context.Context, start func(context.Context) error) error {
	ended := make(chan error, 1)
	go func() { ended <- start(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(maxEnding)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return fmt.Errorf("ending: the manager has not ended within %s", maxEnding)
	}
}
