// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/check"
)

func TestBlamed(t *testing.T) {
	result := func(id check.ID, mark check.Mark) check.Result { return check.Result{ID: id, Mark: mark} }
	healthy := []check.Result{result("D09", check.Warn), result("D12", check.Pass)}
	for name, test := range map[string]struct {
		results []check.Result
		want    []check.ID
	}{
		"nothing when all is as it was":            {healthy, nil},
		"what fails, each check once":              {[]check.Result{result("D12", check.Fail), result("D12", check.Fail), result("D17", check.Skip)}, []check.ID{"D12"}},
		"what fails, and not the warnings with it": {[]check.Result{result("D02", check.Warn), result("D12", check.Fail)}, []check.ID{"D12"}},
		"a new warning when nothing fails":         {[]check.Result{result("D09", check.Warn), result("D37", check.Warn)}, []check.ID{"D37"}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(IDs(Blamed(test.results, healthy))).To(Equal(test.want))
		})
	}
}

func TestAllUndoesInReverseOrderWhateverHappens(t *testing.T) {
	g := NewWithT(t)
	var done []string
	step := func(name string, err error) Injection {
		return func(context.Context) (Undo, error) {
			done = append(done, name)
			return func(context.Context) error {
				done = append(done, "undo "+name)
				return nil
			}, err
		}
	}
	broken := errors.New("broken")
	undo, err := All(step("a", nil), step("b", broken), step("c", nil))(t.Context())
	g.Expect(err).To(MatchError(broken))
	g.Expect(undo(t.Context())).To(Succeed())
	g.Expect(done).To(Equal([]string{"a", "b", "undo b", "undo a"}))
}

func TestFindingsOfTools(t *testing.T) {
	g := NewWithT(t)
	g.Expect(prosodyctlFindings("Checking DNS for host a.example...\n    No targets appear to resolve.\n\nDone.\n")).
		To(Equal([]string{"Checking DNS for host a.example... No targets appear to resolve."}))
	g.Expect(xmppDNSFindings("xmpp-server a.example. 5269\nPriority: 0 Weight: 0\nIP: 203.0.113.9\nConnection: [Not OK]\nrefused\n")).
		To(Equal([]string{"Connection: [Not OK]", "refused"}))
	g.Expect(xmppDNSFindings("xmpp-server a.example. 5269\nIP: 203.0.113.9\nConnection: [OK]\nStartTLS: [OK]\n")).To(BeEmpty())
	g.Expect(testsslFindings([]byte(`[{"id":"cert_trust","severity":"HIGH","finding":"no"},{"id":"x","severity":"OK","finding":"yes"}]`))).
		To(Equal([]string{"HIGH cert_trust no"}))
	_, err := testsslFindings([]byte("["))
	g.Expect(err).To(HaveOccurred())
}

func TestMatrixSaysWhoSawWhat(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	Print(&out, []Row{
		{Fault: "right", Want: "D12", Blamed: []check.ID{"D12"}, RightSide: true, Tools: map[string]Sight{TestSSL: Blind}, Took: time.Second},
		{Fault: "two blamed", Want: "D12", Blamed: []check.ID{"D12", "D17"}, RightSide: true},
		{Fault: "missed", Want: "D20", Tools: map[string]Sight{TestSSL: Seen}, Looks: 2},
		{Fault: "too slow", Want: "D20", Tools: map[string]Sight{TestSSL: Unjudged}},
	})
	g.Expect(out.String()).To(And(
		MatchRegexp(`right +D12 TCP connection +right`), ContainSubstring("D12, D17 INSTEAD OF D12"), ContainSubstring("nothing INSTEAD OF D20"),
		MatchRegexp(`total: 4 faults +1 exact +0 +0 +1`), ContainSubstring("seen by another tool and not by doctor: testssl.sh: missed\n"),
		ContainSubstring("when nothing is wrong: 1 looks"), MatchRegexp(`looked at by doctor twice.*: missed\n`),
	))
}

func TestCertificateIsAsWrongAsAsked(t *testing.T) {
	g := NewWithT(t)
	certificate, key, err := CertificateSpec{
		Names: []string{"a.example"}, Issuer: Itself, NotBefore: -2 * time.Hour, NotAfter: -time.Hour, RSA: 1024, ClientOnly: true,
	}.Issue()
	g.Expect(err).NotTo(HaveOccurred())
	pair, err := tls.X509KeyPair(certificate, key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pair.Leaf.DNSNames).To(Equal([]string{"a.example"}))
	g.Expect(pair.Leaf.NotAfter).To(BeTemporally("<", time.Now()))
	g.Expect(pair.Leaf.CheckSignatureFrom(pair.Leaf)).To(HaveOccurred(), "it is no CA")
	g.Expect(pair.Leaf.ExtKeyUsage).To(HaveLen(1))
}

func TestNameServerGoesWrongAsAsked(t *testing.T) {
	g := NewWithT(t)
	server, err := NewNameServer("127.0.0.1:0", "a.example",
		"a.example. 1 SOA ns.a.example. hostmaster.a.example. 1 1 1 1 1", "www.a.example. 1 A 203.0.113.9")
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(server.Close)
	ask := func(name string) (*dns.Msg, error) {
		client := dns.Client{Timeout: 300 * time.Millisecond}
		reply, _, err := client.ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(name, dns.TypeA), server.Address())
		return reply, err
	}
	reply, err := ask("www.a.example.")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Answer).To(HaveLen(1))
	reply, err = ask("no.a.example.")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Rcode).To(Equal(dns.RcodeNameError))

	undo, err := server.Answering(dns.RcodeServerFailure)(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	reply, err = ask("www.a.example.")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Rcode).To(Equal(dns.RcodeServerFailure))
	g.Expect(undo(t.Context())).To(Succeed())

	undo, err = server.Dead()(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = ask("www.a.example.")
	g.Expect(err).To(HaveOccurred())
	g.Expect(undo(t.Context())).To(Succeed())

	undo, err = server.Stale("www.a.example. 1 A 203.0.113.10")(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	reply, err = ask("www.a.example.")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Answer[0].(*dns.A).A.String()).To(Equal("203.0.113.10"))
	g.Expect(undo(t.Context())).To(Succeed())
	reply, err = ask("www.a.example.")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Answer[0].(*dns.A).A.String()).To(Equal("203.0.113.9"))
}
