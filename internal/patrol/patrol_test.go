// SPDX-License-Identifier: Apache-2.0

package patrol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
)

const interval = 5 * time.Minute

var (
	cup    = types.NamespacedName{Namespace: "chat", Name: "cup"}
	answer = check.PeerVerdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPeerReachable, RoundTrip: 20 * time.Millisecond}
	silent = check.PeerVerdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPeerTimeout, Message: "gmail.com does not answer"}
)

// field plays the partners: it notes when each was tried, and answers as it is told. Times are those of the bubble that
// a test runs in: they pass when everybody waits.
type field struct {
	mu      sync.Mutex
	began   time.Time
	takes   time.Duration
	verdict map[string]check.PeerVerdict // answer for those that are not in it
	err     error
	tries   map[string][]time.Duration
	posts   []Post // that tries were made from
	running int
	most    int
	notices []time.Duration
}

func newField() *field {
	return &field{began: time.Now(), verdict: map[string]check.PeerVerdict{}, tries: map[string][]time.Duration{}}
}

func (f *field) Try(ctx context.Context, post Post, target Target) (check.PeerVerdict, error) {
	f.mu.Lock()
	f.posts = append(f.posts, post)
	f.tries[target.Domain] = append(f.tries[target.Domain], time.Since(f.began))
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	if verdict, found := f.verdict[target.Domain]; found {
		return verdict, f.err
	}
	return answer, f.err
}

func (f *field) set(domain string, verdict check.PeerVerdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.verdict[domain] = verdict
}

// fail has nothing learnt of any partner, for err; nil ends that.
func (f *field) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *field) notify(types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notices = append(f.notices, time.Since(f.began))
}

func (f *field) triesOf(domain string) []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.tries[domain])
}

func (f *field) told() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.notices)
}

func (f *field) mostAtOnce() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

func partners(n int) []Target {
	targets := make([]Target, n)
	for i := range targets {
		targets[i] = Target{Domain: fmt.Sprintf("p%03d.example", i)}
	}
	return targets
}

// watch runs test with a patrol over n partners, in a bubble of its own.
func watch(t *testing.T, n int, prepare func(*field), test func(t *testing.T, f *field, p *Patrol)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newField()
		prepare(f)
		p := New(f, f.notify)
		p.Watch(cup, Orders{Interval: interval, Targets: partners(n)})
		defer p.Forget(cup)
		test(t, f, p)
	})
}

// after lets time pass, and whatever happens in it.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEachPartnerIsTriedAtOnceAndThenOnTheInterval(t *testing.T) {
	watch(t, 1, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Second)
		if got := p.Known(cup)["p000.example"]; got != answer {
			t.Errorf("known after a second: %+v", got)
		}
		after(time.Hour)
		tries := f.triesOf("p000.example")
		if tries[0] != 0 || len(tries) < 13 || len(tries) > 15 {
			t.Errorf("tried %d times in an hour: %v", len(tries), tries)
		}
		for i := range tries[1:] {
			if gap := tries[i+1] - tries[i]; gap > interval*19/20 || gap < interval*17/20 {
				t.Errorf("gap of %v", gap)
			}
		}
		if len(f.told()) != 1 {
			t.Errorf("%d notices of one thing that is new: %v", len(f.told()), f.told())
		}
	})
}

func TestHundredsThatDoNotAnswerAreAllTriedWithinOneIntervalAndToldOfTogether(t *testing.T) {
	slow := func(f *field) {
		f.takes = 40 * time.Second
		for _, target := range partners(300) {
			f.verdict[target.Domain] = silent
		}
	}
	watch(t, 300, slow, func(t *testing.T, f *field, p *Patrol) {
		after(interval)
		if known := p.Known(cup); len(known) != 300 {
			t.Errorf("%d of 300 are known after one interval", len(known))
		}
		if f.mostAtOnce() > maxOwnTries {
			t.Errorf("%d at once", f.mostAtOnce())
		}
		for i := range f.told()[1:] {
			if gap := f.told()[i+1] - f.told()[i]; gap < quiet {
				t.Errorf("notices %v apart", gap)
			}
		}
		if first, second := f.triesOf("p000.example")[0], f.triesOf("p001.example")[0]; second-first != firstSpacing {
			t.Errorf("first tries at %v and %v", first, second)
		}
	})
}

func TestAFailureCountsWhenItIsConfirmed(t *testing.T) {
	watch(t, 1, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Second)
		f.set("p000.example", silent)
		for len(f.triesOf("p000.example")) < 2 {
			after(time.Second)
		}
		if got := p.Known(cup)["p000.example"]; got != answer {
			t.Errorf("after one failure: %+v", got)
		}
		after(confirmAfter)
		if got := p.Known(cup)["p000.example"]; got != silent {
			t.Errorf("after the second: %+v", got)
		}
		f.set("p000.example", answer)
		after(4 * firstRetry)
		if got := p.Known(cup)["p000.example"]; got != answer {
			t.Errorf("after it answers again: %+v", got)
		}
		if len(f.told()) != 3 {
			t.Errorf("%d notices of three changes: %v", len(f.told()), f.told())
		}
	})
}

func TestOneLostPacketIsNoNews(t *testing.T) {
	watch(t, 1, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Second)
		f.set("p000.example", silent)
		for len(f.triesOf("p000.example")) < 2 {
			after(time.Second)
		}
		f.set("p000.example", answer)
		after(time.Hour)
		if len(f.told()) != 1 {
			t.Errorf("notices: %v", f.told())
		}
		if got := p.Known(cup)["p000.example"]; got != answer {
			t.Errorf("known: %+v", got)
		}
	})
}

func TestAFailureForAnotherReasonIsConfirmedToo(t *testing.T) {
	hosting := check.PeerVerdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPeerHostsOurDomain}
	broken := func(f *field) { f.verdict["p000.example"] = hosting }
	watch(t, 1, broken, func(t *testing.T, f *field, p *Patrol) {
		after(time.Second)
		f.set("p000.example", silent)
		after(firstRetry)
		if got := p.Known(cup)["p000.example"]; got != hosting {
			t.Errorf("after the first: %+v", got)
		}
		f.set("p000.example", hosting)
		after(time.Hour)
		if len(f.told()) != 1 {
			t.Errorf("notices: %v", f.told())
		}
		f.set("p000.example", silent)
		after(interval + confirmAfter)
		if got := p.Known(cup)["p000.example"]; got != silent {
			t.Errorf("after the second: %+v", got)
		}
	})
}

func TestPartnersThatFailAreTriedLessAndLessOften(t *testing.T) {
	broken := func(f *field) { f.verdict["p000.example"] = silent }
	watch(t, 1, broken, func(t *testing.T, f *field, _ *Patrol) {
		after(20 * time.Minute)
		tries := f.triesOf("p000.example")
		for i, want := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
			if gap := tries[i+1] - tries[i]; gap != want*time.Second {
				t.Errorf("gap %d is %v, want %v", i, gap, want*time.Second)
			}
		}
		if len(f.told()) != 1 {
			t.Errorf("notices: %v", f.told())
		}
	})
}

func TestAPartnerWhosePolicyChangesIsTriedAtOnceAndTheOthersAreNot(t *testing.T) {
	watch(t, 2, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Minute)
		targets := partners(2)
		targets[1].Policy.TLS = v1alpha1.PeerTLSOptional
		if known := p.Watch(cup, Orders{Interval: interval, Targets: targets}); len(known) != 1 {
			t.Errorf("known until it was tried anew: %v", known)
		}
		f.set("p001.example", silent)
		after(time.Second)
		if len(f.triesOf("p000.example")) != 1 || len(f.triesOf("p001.example")) != 2 {
			t.Errorf("tries: %v and %v", f.triesOf("p000.example"), f.triesOf("p001.example"))
		}
		// The change explains the failure: it needs no confirmation.
		if got := p.Known(cup)["p001.example"]; got != silent {
			t.Errorf("known: %+v", got)
		}
	})
}

func TestWhatCanNotBeLearntChangesNothing(t *testing.T) {
	watch(t, 1, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Second)
		f.fail(errors.New("the pod is gone"))
		after(time.Hour)
		if got := p.Known(cup)["p000.example"]; got != answer || len(f.told()) != 1 {
			t.Errorf("known %+v, notices %v", got, f.told())
		}
	})
}

func TestHowLongTheAnswerTookIsNoNewsButKnown(t *testing.T) {
	watch(t, 1, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Second)
		slow := answer
		slow.RoundTrip = time.Minute
		f.set("p000.example", slow)
		after(interval)
		if got := p.Known(cup)["p000.example"]; got != slow {
			t.Errorf("known: %+v", got)
		}
		if len(f.told()) != 1 {
			t.Errorf("notices: %v", f.told())
		}
	})
}

func TestTakenOffTheListIsForgotten(t *testing.T) {
	watch(t, 2, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Second)
		if known := p.Watch(cup, Orders{Interval: interval, Targets: partners(1)}); len(known) != 1 {
			t.Errorf("known: %v", known)
		}
		after(time.Hour)
		if len(f.triesOf("p001.example")) != 1 {
			t.Errorf("tried afterwards: %v", f.triesOf("p001.example"))
		}
		p.Forget(cup)
		before := len(f.triesOf("p000.example"))
		after(time.Hour)
		if len(f.triesOf("p000.example")) != before || p.Known(cup) != nil {
			t.Errorf("tried after the end of the watch: %v", f.triesOf("p000.example"))
		}
	})
}

func TestAShorterIntervalHoldsAtOnce(t *testing.T) {
	watch(t, 1, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Second)
		p.Watch(cup, Orders{Interval: 10 * time.Second, Targets: partners(1)})
		after(10 * time.Second)
		if len(f.triesOf("p000.example")) != 2 {
			t.Errorf("tries: %v and %v", f.triesOf("p000.example"), f.triesOf("p001.example"))
		}
	})
}
