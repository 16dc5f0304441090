// SPDX-License-Identifier: Apache-2.0

package cloudflare

import (
	"context"
	"sync"
	"time"
)

// listAge is for how long a list of all records is shared between those who read, for each of its pages. So the lists of one zone take
// at most 60 of the 1,200 requests in five minutes, however many Federations are in it and however large it is.
const listAge = 5 * time.Second

// lists keep the newest list of all records of a zone. Those who read may get one that is up to listAge old for each page; those who
// write get a new one, and after a write everybody does.
type lists struct {
	now func() time.Time
	// shared is false where requests are not limited.
	shared bool
	// turn is taken by who lists, so that those who come meanwhile wait for that list.
	turn chan struct{}

	mu    sync.Mutex
	last  listing
	pages int
	at    time.Time
	// writes so far; a list that was begun before one is not kept.
	writes int
}

func newLists(cfg Config) lists {
	return lists{now: cfg.Now, shared: cfg.Limiter != nil, turn: make(chan struct{}, 1)}
}

// recent returns the newest list, unless it is too old. Nobody may change it.
func (l *lists) recent(ctx context.Context, list func(context.Context) (listing, int, error)) (listing, error) {
	if found := l.kept(); found != nil {
		return found, nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if found := l.kept(); found != nil {
		return found, nil
	}
	return l.newest(ctx, list)
}

// newest lists all records now.
func (l *lists) newest(ctx context.Context, list func(context.Context) (listing, int, error)) (listing, error) {
	l.mu.Lock()
	writes, began := l.writes, l.now()
	l.mu.Unlock()
	found, pages, err := list(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if writes == l.writes {
		l.last, l.pages, l.at = found, pages, began
	}
	return found, nil
}

func (l *lists) kept() listing {
	l.mu.Lock()
	defer l.mu.Unlock()
	age := l.now().Sub(l.at)
	if !l.shared || age < 0 || age >= time.Duration(l.pages)*listAge {
		return nil
	}
	return l.last
}

// outdate has the next list be a new one.
func (l *lists) outdate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.pages = nil, 0
	l.writes++
}
