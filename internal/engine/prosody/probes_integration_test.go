// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
)

// probe is one try of what the kubelet does.
func probe(p *corev1.Probe) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(max(p.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	if p.HTTPGet == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", engine.PortNumberS2S))
		if err != nil {
			return err
		}
		return conn.Close()
	}
	url := fmt.Sprintf("http://127.0.0.1:%d%s", engine.PortNumberHTTP, p.HTTPGet.Path)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// failsFor returns whether the probe reaches its threshold before done is closed.
func failsFor(p *corev1.Probe, done <-chan struct{}) bool {
	failures := int32(0)
	for ticker := time.NewTicker(time.Duration(p.PeriodSeconds) * time.Second); failures < p.FailureThreshold; {
		if probe(p) == nil {
			failures = 0
		} else {
			failures++
		}
		select {
		case <-done:
			return failures >= p.FailureThreshold
		case <-ticker.C:
		}
	}
	return true
}

func TestProbes_TellBusyFromGone(t *testing.T) {
	const busy = 6 // seconds in which the server does one thing
	container := prosody.Engine{}.Container()
	each(t, func(t *testing.T, r *rig) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			out, err := r.Run(t, "prosodyctl", "shell", fmt.Sprintf("> os.execute('sleep %d')", busy))
			if err != nil {
				t.Errorf("keeping the server busy: %v: %s", err, out)
			}
		}()
		r.Eventually(func() int { code, _ := r.Ready(); return code }).ShouldNot(Equal(http.StatusOK), "it is busy")
		failed := make(chan bool)
		go func() { failed <- failsFor(container.LivenessProbe, done) }()
		r.Expect(failsFor(container.ReadinessProbe, done)).To(BeFalse(), "a busy server stays in service")
		r.Expect(<-failed).To(BeFalse(), "and is not restarted")
		r.Eventually(func() error { return probe(container.ReadinessProbe) }).Should(Succeed())

		r.Pause()
		r.Expect(probe(container.LivenessProbe)).NotTo(Succeed(), "one that hangs is")
		r.Resume()
		r.Eventually(func() error { return probe(container.LivenessProbe) }).Should(Succeed())
	})
}
