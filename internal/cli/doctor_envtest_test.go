// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package cli_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/cli"
	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/cli/report"
)

// examined runs doctor from the cluster and reads what it found.
func (s *seat) examined(args ...string) (found report.Report, code int) {
	s.t.Helper()
	out, errOut, code := s.run(append([]string{"doctor", "--from", "cluster", "-o", "json"}, args...)...)
	s.Expect(json.Unmarshal([]byte(out), &found)).To(gomega.Succeed(), "%s%s", out, errOut)
	return found, code
}

func of(found report.Report, id check.ID) check.Result {
	i := slices.IndexFunc(found.Results, func(r check.Result) bool { return r.ID == id })
	if i < 0 {
		return check.Result{}
	}
	return found.Results[i]
}

func TestDoctorOfAFederationAsksTheCluster(t *testing.T) {
	s := newSeat(t)
	s.create(example.Healthy())
	found, code := s.examined("cup")
	s.Expect(found.Subject).To(gomega.Equal(s.namespace + "/cup"))
	s.Expect(code).To(gomega.Equal(cli.ExitFound))
	s.Expect(of(found, check.LoadBalancer).Words).To(gomega.ContainSubstring("no pod behind the load balancer is ready"))
	s.Expect(of(found, check.Drift).Words).To(gomega.Equal("the server has not been set up yet"))
	s.Expect(of(found, check.Clock).Mark).To(gomega.Equal(check.Pass))

	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "cup-server"}, Data: map[string][]byte{"token": []byte("t")},
	}
	s.Expect(s.api.Create(t.Context(), secret)).To(gomega.Succeed())
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "cup-s2s"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 5269}}},
	}
	s.Expect(s.api.Create(t.Context(), service)).To(gomega.Succeed())
	found, _ = s.examined("cup", "--peer", "gmail.com")
	s.Expect(of(found, check.LoadBalancer).Words).To(gomega.ContainSubstring("no address yet"),
		"the Service that is there counts, not the address that status remembers")
	s.Expect(of(found, check.ServerAnswers).Because).To(gomega.Equal(check.LoadBalancer))
	s.Expect(of(found, check.RoundTrip)).To(gomega.And(
		gomega.HaveField("Domain", "gmail.com"), gomega.HaveField("Words", "no pod of the server runs")))
}

func TestDoctorOfAFederationThatIsNotThere(t *testing.T) {
	s := newSeat(t)
	_, errOut, code := s.run("doctor", "none")
	s.Expect(code).To(gomega.Equal(cli.ExitUndone))
	s.Expect(errOut).To(gomega.ContainSubstring("there is no Federation none in namespace " + s.namespace))
}
