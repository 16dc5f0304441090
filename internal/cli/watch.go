// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/text"
)

const (
	// refresh is how often a screen that is watched is made anew without a change: ages and sessions move on.
	refresh = 5 * time.Second
	// rewatch is how long to wait before a watch that ended is begun again.
	rewatch = time.Second
)

// watch shows a screen again whenever Federations of the namespace change, until the user ends it. On a terminal the new
// screen takes the place of the old one, from its first line on, which says what is wrong; elsewhere it follows, and passing
// time alone is no reason for another.
func (e *environment) watch(
	ctx context.Context, c *cluster, everywhere bool, show func(context.Context) (screen, error),
) error {
	terminal := e.style().Terminal
	changes := make(chan struct{}, 1)
	version, err := c.version(ctx, everywhere) // before the first screen, so that no change is missed after it
	if err != nil {
		return err
	}
	go c.notify(ctx, everywhere, version, changes)
	var ticks <-chan time.Time
	if terminal {
		ticker := time.NewTicker(refresh)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for shown := false; ; shown = true {
		next, err := show(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !shown:
			return err
		case err != nil:
			next.text = "error: " + err.Error() + "\n"
		}
		if terminal {
			next.text = text.ClearScreen + text.Top(next.text, e.style().Height)
		} else if shown {
			next.text = "\n" + next.text
		}
		fmt.Fprint(e.Out, next.text)
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		case <-ticks:
		}
	}
}

// version is the resource version that a watch can begin at.
func (c *cluster) version(ctx context.Context, everywhere bool) (string, error) {
	feds, err := c.federations(ctx, everywhere)
	return feds.ResourceVersion, err
}

// notify sends for every change of Federations after a version, until the context ends. Changes that nobody took yet
// count as one.
func (c *cluster) notify(ctx context.Context, everywhere bool, version string, changes chan<- struct{}) {
	changed := func() {
		select {
		case changes <- struct{}{}:
		default:
		}
	}
	for ctx.Err() == nil {
		from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}}
		if watcher, err := c.Watch(ctx, &v1alpha1.FederationList{}, inNamespace(c, everywhere), from); err == nil {
			for event := range watcher.ResultChan() {
				if event.Type == watch.Error {
					break
				}
				changed()
			}
			watcher.Stop()
		}
		select {
		case <-ctx.Done():
		case <-time.After(rewatch):
		}
		if latest, err := c.version(ctx, everywhere); err == nil && latest != version {
			version = latest
			changed()
		}
	}
}
