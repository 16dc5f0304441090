// SPDX-License-Identifier: Apache-2.0

package patrol

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
)

func TestWhatCanNotBeLearntIsTriedLessAndLessOftenAndAtOnceFromANewServer(t *testing.T) {
	unasked := func(f *field) { f.fail(errors.New("the pod is gone")) }
	watch(t, 1, unasked, func(t *testing.T, f *field, p *Patrol) {
		after(20 * time.Minute)
		tries := f.triesOf("p000.example")
		for i, want := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
			if gap := tries[i+1] - tries[i]; gap != want*time.Second {
				t.Errorf("gap %d is %v, want %v", i, gap, want*time.Second)
			}
		}
		f.fail(nil)
		moved := Post{PodIP: "10.244.0.6"}
		p.Watch(cup, Orders{Interval: interval, Post: moved, Targets: partners(1)})
		after(time.Second)
		if got := p.Known(cup)["p000.example"]; got != answer || f.posts[len(f.posts)-1].PodIP != moved.PodIP {
			t.Errorf("known a second later: %+v, tried from %+v", got, f.posts)
		}
	})
}

func TestAFailureWithChangingReasonsCountsAllTheSame(t *testing.T) {
	refused := check.PeerVerdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPeerConnectionRefused}
	watch(t, 1, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Second)
		f.set("p000.example", silent)
		for len(f.triesOf("p000.example")) < 2 {
			after(time.Second)
		}
		f.set("p000.example", refused)
		after(confirmAfter)
		if got := p.Known(cup)["p000.example"]; got != refused {
			t.Errorf("after two failures: %+v", got)
		}
	})
}

func TestWhoIsAskedAboutOtherDomainsIsTriedAnew(t *testing.T) {
	watch(t, 2, func(*field) {}, func(t *testing.T, f *field, p *Patrol) {
		after(time.Minute)
		p.Watch(cup, Orders{Interval: interval, Post: Post{Domains: []string{"new.example"}}, Targets: partners(2)})
		after(time.Second)
		if len(f.triesOf("p000.example")) != 2 || len(f.triesOf("p001.example")) != 2 {
			t.Errorf("tries: %v and %v", f.triesOf("p000.example"), f.triesOf("p001.example"))
		}
		p.Watch(cup, Orders{Interval: interval, Post: Post{Domains: []string{"new.example"}, PodIP: "10.244.0.6"}, Targets: partners(2)})
		after(time.Second)
		if len(f.triesOf("p000.example")) != 2 {
			t.Errorf("tried anew only because the server has moved: %v", f.triesOf("p000.example"))
		}
	})
}

func TestNobodyIsTriedWhileTheWatchIsPaused(t *testing.T) {
	waiting := 2 * maxOwnTries // of which half have no slot yet when the pause begins
	watch(t, waiting, func(f *field) { f.takes = 10 * time.Second }, func(t *testing.T, f *field, p *Patrol) {
		after(9 * time.Second)
		p.Pause(cup)
		after(time.Hour)
		if len(f.posts) != maxOwnTries || len(p.Known(cup)) != maxOwnTries {
			t.Errorf("%d tries, %d known", len(f.posts), len(p.Known(cup)))
		}
		p.Watch(cup, Orders{Interval: interval, Post: Post{PodIP: "10.244.0.6"}, Targets: partners(waiting)})
		after(time.Minute)
		if len(p.Known(cup)) != waiting {
			t.Errorf("%d known after the pause", len(p.Known(cup)))
		}
		for _, post := range f.posts[maxOwnTries:] {
			if post.PodIP != "10.244.0.6" {
				t.Errorf("tried from %q after the pause", post.PodIP)
			}
		}
	})
}

func TestATryUnderWaySaysNothingOfAPolicyThatChangedMeanwhile(t *testing.T) {
	watch(t, 1, func(f *field) { f.takes = 10 * time.Second }, func(t *testing.T, f *field, p *Patrol) {
		after(5 * time.Second)
		targets := partners(1)
		targets[0].Policy.TLS = v1alpha1.PeerTLSOptional
		p.Watch(cup, Orders{Interval: interval, Targets: targets})
		after(6 * time.Second)
		if known := p.Known(cup); len(known) != 0 {
			t.Errorf("known after the try of the old policy: %+v", known)
		}
		after(10 * time.Second)
		if got := p.Known(cup)["p000.example"]; got != answer || len(f.triesOf("p000.example")) != 2 {
			t.Errorf("known after the try of the new one: %+v, tries %v", got, f.triesOf("p000.example"))
		}
	})
}
