// SPDX-License-Identifier: Apache-2.0

package check

import (
	"crypto/x509"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

func TestOnlyTheFirstOfFailuresThatFollowFromEachOtherIsBlamed(t *testing.T) {
	ours, theirs := "cupdomain.com", "gmail.com"
	fails := func(id ID, domain, subject string) Result {
		return Result{ID: id, Domain: domain, Subject: subject, Mark: Fail}
	}
	for name, tc := range map[string]struct {
		results []Result
		want    []ID
	}{
		"no pod behind the load balancer explains that nobody answers": {
			[]Result{fails(LoadBalancer, ours, ""), fails(TCP, ours, "203.0.113.128:5269"), fails(ServerAnswers, ours, "")}, []ID{LoadBalancer},
		},
		"a closed port explains that direct TLS at the same address fails": {
			[]Result{fails(TCP, ours, "203.0.113.128:5269"), fails(DirectTLS, ours, "203.0.113.128:5270")}, []ID{TCP},
		},
		"a dead address explains nothing of another": {
			[]Result{fails(TCP, ours, "[2001:db8::1]:5269"), fails(DirectTLS, ours, "203.0.113.128:5270")}, []ID{TCP, DirectTLS},
		},
		"a secret that the pod has not taken up explains its answers for keys": {
			[]Result{fails(DialbackKey, ours, ""), fails(Drift, ours, "")}, []ID{Drift},
		},
		"a service that hosts our domain explains that pings of it fail": {
			[]Result{fails(HostedThere, theirs, ""), fails(RefusedAsOwn, theirs, ""), fails(RoundTrip, "webex.example", "")}, []ID{HostedThere, RoundTrip},
		},
		"a way in that fails explains that partners don't answer": {
			[]Result{fails(TCP, ours, ""), fails(RoundTrip, theirs, ""), fails(DialbackCall, theirs, "")}, []ID{TCP},
		},
		"a partner's own trouble stays": {
			[]Result{fails(TCP, ours, ""), fails(PartnerTCP, theirs, "")}, []ID{TCP, PartnerTCP},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []ID
			for _, r := range FirstCauses(tc.results, []string{ours}) {
				if r.Mark == Fail {
					got = append(got, r.ID)
				} else if r.Because == "" {
					t.Errorf("%s is hidden without a cause", r.ID)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("blamed %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAPingIsNotWaitedForWhenAFailureExplainsItsSilence(t *testing.T) {
	ours, theirs := "cupdomain.com", "gmail.com"
	for name, tc := range map[string]struct {
		found Result
		want  ID
	}{
		"the partner hosts our domain":     {Result{ID: HostedThere, Domain: theirs, Mark: Fail}, HostedThere},
		"partners can't reach us":          {Result{ID: TCP, Domain: ours, Mark: Fail}, TCP},
		"another partner hosts our domain": {Result{ID: HostedThere, Domain: "talk.example", Mark: Fail}, ""},
		"it can't be reached from here":    {Result{ID: PartnerTCP, Domain: theirs, Mark: Fail}, ""},
		"it does not host our domain":      {Result{ID: HostedThere, Domain: theirs, Mark: Pass}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := SilentBecause([]Result{tc.found}, []string{ours}, theirs)
			if got != tc.want || ok != (tc.want != "") {
				t.Errorf("got %q %v, want %q", got, ok, tc.want)
			}
		})
	}
	if r := SilentPing(theirs, HostedThere); r.ID != RoundTrip || r.Mark != Skip || r.Because != HostedThere || r.Domain != theirs || r.From != Cluster {
		t.Errorf("got %+v", r)
	}
}

func TestAPingIsTheChecksThatItPassed(t *testing.T) {
	policy := v1alpha1.PeerPolicy{
		Access: v1alpha1.PeerAccessAllow, TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificateOrDialback,
	}
	about := PeerTarget{Domain: "gmail.com", From: "cupdomain.com", Policy: policy}
	for name, tc := range map[string]struct {
		pong engine.Pong
		want map[ID]Mark
	}{
		"answered over a stream that a certificate proved": {
			engine.Pong{Answered: true, Stage: engine.StageAnswer, Session: &engine.Session{Secure: true, TLSVersion: "TLSv1.3", Authentication: "EXTERNAL"}},
			map[ID]Mark{PartnerTCP: Pass, Handshake: Pass, External: Pass, DialbackCall: Skip, RoundTrip: Pass},
		},
		"answered over a stream that dialback proved": {
			engine.Pong{Answered: true, Stage: engine.StageAnswer, Session: &engine.Session{Secure: true, Authentication: "dialback"}},
			map[ID]Mark{External: Skip, DialbackCall: Pass, RoundTrip: Pass},
		},
		"a firewall in the way out": {
			engine.Pong{Stage: engine.StageConnect, Failure: "timeout"},
			map[ID]Mark{PartnerRecords: Pass, PartnerTCP: Fail, StreamOpens: Skip, RoundTrip: Skip},
		},
		"a resolver that hides the partner": {
			engine.Pong{Stage: engine.StageResolve, Failure: "NXDOMAIN"}, map[ID]Mark{PartnerRecords: Fail, PartnerTCP: Skip, RoundTrip: Skip},
		},
		"a certificate of ours that is not taken": {
			engine.Pong{Stage: engine.StageAuthenticate, Received: &engine.StreamError{
				Condition: "not-authorized", Text: "Your server's certificate is not trusted",
			}},
			map[ID]Mark{Certificate: Skip, External: Fail, RoundTrip: Skip},
		},
		"nothing learnt": {engine.Pong{}, map[ID]Mark{PartnerRecords: Skip, RoundTrip: Skip}},
	} {
		t.Run(name, func(t *testing.T) {
			results := PingResults(about, tc.pong)
			for _, r := range results {
				judged(t, r)
				if want, ok := tc.want[r.ID]; ok && r.Mark != want {
					t.Errorf("%s: got %s (%s), want %s", r.ID, r.Mark, r.Words, want)
				}
				if r.From != Cluster || r.Domain != "gmail.com" {
					t.Errorf("%s is from %s about %s", r.ID, r.From, r.Domain)
				}
			}
		})
	}
}

// shows is a port with a certificate of a serial number, in hexadecimal.
func shows(serial string) *Wire {
	number, _ := new(big.Int).SetString(serial, 16)
	w := &Wire{probe: probe{trial: trial{leaf: &x509.Certificate{SerialNumber: number}}, right: "valid", wrong: "invalid"}}
	w.keys = Subject{DialbackSecret: "secret"}.judgeKeys(w.probe)
	return w
}

// doubts is a port whose server has another dialback secret.
func doubts() *Wire {
	w := shows("beef")
	w.probe.right = "invalid"
	w.keys = Subject{DialbackSecret: "secret"}.judgeKeys(w.probe)
	return w
}

func TestADeploymentIsComparedWithWhatItWasGiven(t *testing.T) {
	live := func() *engine.LiveStatus {
		return &engine.LiveStatus{
			Engine: "Prosody", Version: "13.0.1", Generation: "c1", SecretGeneration: "s1", Certificate: engine.LiveCertificate{Serial: "BEEF"},
			Sessions: []engine.Session{{Direction: "outgoing", Remote: "gmail.com", Secure: true, TLSVersion: "TLSv1.3", Authentication: "EXTERNAL"}},
		}
	}
	for name, tc := range map[string]struct {
		change func(d *Deployment)
		want   []ID
		says   string
	}{
		"all is well":                           {change: func(*Deployment) {}},
		"no address":                            {func(d *Deployment) { d.Addresses, d.AddressMessage = nil, "the pool is empty" }, []ID{LoadBalancer}, "no address yet"},
		"no ready pod":                          {func(d *Deployment) { d.Ready = 0 }, []ID{LoadBalancer}, "no pod behind"},
		"no pod at all":                         {func(d *Deployment) { d.Replicas = nil }, []ID{ServerAnswers}, "no pod of the server runs"},
		"no pods, so no word on what they have": {func(d *Deployment) { d.Replicas = nil }, []ID{ServerAnswers}, "skip D32 no pod of the server runs\nskip D34 no pod"},
		"streams of a silent pod": {
			func(d *Deployment) { d.Replicas[0].Live, d.Replicas[0].Err = nil, errors.New("timeout") }, []ID{Drift}, "skip D32 no streams are known of cup-0",
		},
		"unknown what config was given": {func(d *Deployment) { d.Generation = "" }, nil, "skip D34 not all could be compared: the configuration (it is not known what cup-0"},
		"unknown what secret was given": {func(d *Deployment) { d.SecretGeneration = "" }, nil, "skip D34 not all could be compared: the accounts, certificate"},
		"unknown what cert was given":   {func(d *Deployment) { d.Serial = "" }, nil, "skip D34 not all could be compared: the certificate (it is not known"},
		"a pod that names no cert": {
			func(d *Deployment) { d.Replicas[0].Live.Certificate.Serial = "" }, nil, "skip D34 not all could be compared: the certificate (cup-0 does not say",
		},
		"a silent port":  {func(d *Deployment) { d.Replicas[0].Unreached = errors.New("refused") }, []ID{ServerAnswers}, "opens no stream"},
		"a silent pod":   {func(d *Deployment) { d.Replicas[0].Live, d.Replicas[0].Err = nil, errors.New("timeout") }, []ID{Drift}, "says nothing"},
		"old config":     {func(d *Deployment) { d.Generation = "c2" }, []ID{Drift}, "an older configuration"},
		"old secret":     {func(d *Deployment) { d.SecretGeneration = "s2" }, []ID{Drift}, "older accounts, certificate or dialback secret"},
		"old cert":       {func(d *Deployment) { d.Serial = "cafe" }, []ID{Drift}, "an older certificate"},
		"refused config": {func(d *Deployment) { d.Replicas[0].Live.ConfigError = "line 1" }, []ID{Drift}, "refuses its configuration: line 1"},
		"a stream without encryption": {
			func(d *Deployment) { d.Replicas[0].Live.Sessions[0].Secure = false }, []ID{Sessions}, "gmail.com is not encrypted",
		},
		"a stream proven otherwise": {
			func(d *Deployment) { d.Replicas[0].Live.Sessions[0].Authentication = "dialback" }, []ID{Sessions}, "not proven by certificate",
		},
		"a stream of one that is denied": {
			func(d *Deployment) { d.Policies["gmail.com"] = v1alpha1.PeerPolicy{Access: v1alpha1.PeerAccessDeny} }, []ID{Sessions}, "but is denied",
		},
		"another cert shown": {func(d *Deployment) { d.Replicas[0].Wire = shows("cafe") }, []ID{Drift}, "shows another at its port"},
		"the cert shown":     {func(d *Deployment) { d.Replicas[0].Wire = shows("0BEEF") }, nil, "knows its own dialback keys"},
		"another secret":     {func(d *Deployment) { d.Replicas[0].Wire = doubts() }, []ID{DialbackKey}, "it has another secret"},
		"no right to ask":    {func(d *Deployment) { d.Left = "you may not read Secret chat/cup-server" }, nil, "you may not read Secret"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Deployment{
				Name: "chat/cup", Domain: "cupdomain.com", Addresses: []string{"203.0.113.128"}, Ready: 1, Serial: "beef", Generation: "c1",
				SecretGeneration: "s1", Replicas: []Replica{{Pod: "cup-0", Live: live()}},
				Policies: map[string]v1alpha1.PeerPolicy{"gmail.com": {
					Access: v1alpha1.PeerAccessAllow, TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificate,
				}},
			}
			tc.change(&d)
			var failed []ID
			var words []string
			for _, r := range d.Judge() {
				judged(t, r)
				words = append(words, string(r.Mark)+" "+string(r.ID)+" "+r.Words)
				if r.Mark == Fail {
					failed = append(failed, r.ID)
				}
			}
			if !slices.Equal(failed, tc.want) || !strings.Contains(strings.Join(words, "\n"), tc.says) {
				t.Errorf("failed %v, want %v saying %q:\n%s", failed, tc.want, tc.says, strings.Join(words, "\n"))
			}
		})
	}
}

func TestClocksMayBeAMinuteApart(t *testing.T) {
	for skew, want := range map[time.Duration]Mark{0: Pass, -time.Minute: Pass, 61 * time.Second: Fail, -2 * time.Hour: Fail} {
		r := JudgeClock(today, today.Add(skew), "API server")
		if judged(t, r); r.Mark != want {
			t.Errorf("%s: got %s, want %s", skew, r.Mark, want)
		}
	}
}
