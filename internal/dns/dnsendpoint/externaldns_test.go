// SPDX-License-Identifier: Apache-2.0

//go:build integration

package dnsendpoint_test

import (
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnsendpoint"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/public"
	"github.com/xmppfed/xmppfed/internal/testkit"
	"github.com/xmppfed/xmppfed/internal/testkit/cluster"
)

const (
	apex = "cupdomain.com"
	// foreign records that no test may touch.
	foreign = `www 3600 A 203.0.113.7
mail 3600 MX 10 www
odd TXT "semicolon; \"quotes\" \\ backslash"
`
	manageSRV = "--managed-record-types=SRV"
)

// world is a real API server, a real PowerDNS and, when it is started, a real ExternalDNS in between.
type world struct {
	*testing.T
	*dnsendpoint.Provider
	kube *cluster.Cluster
	dns  *dnstest.PowerDNS
	port uint16
}

func newWorld(t *testing.T) *world {
	t.Helper()
	testkit.Require(t, os.Getenv(cluster.Assets) != "", "a Kubernetes API server (make test-integration sets "+cluster.Assets+")")
	_ = dnstest.ExternalDNS(t) // or skip
	w := &world{T: t, dns: dnstest.StartPowerDNS(t, map[string]string{apex: foreign})}
	var err error
	if w.kube, err = cluster.Start(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.kube.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := w.kube.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: cluster.Namespace}}); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(w.dns.Address)
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	w.port = uint16(number)
	w.Provider = w.provider(w.kube.Client)
	return w
}

// provider writes through a client, with targets as version 0.20 has them.
func (w *world) provider(c client.Client) *dnsendpoint.Provider {
	w.Helper()
	reader, err := public.New(public.Config{Zone: apex, Resolvers: []string{w.dns.Address}, Port: w.port})
	if err != nil {
		w.Fatal(err)
	}
	return dnsendpoint.New(dnsendpoint.Config{
		Reader: reader, Client: c, Namespace: cluster.Namespace, FieldOwner: "xmppfed", Now: time.Now, BareTargets: true,
	})
}

func (w *world) installCRD() {
	w.Helper()
	if _, err := envtest.InstallCRDs(w.kube.Config, envtest.CRDInstallOptions{Paths: []string{dnstest.ExternalDNSCRD(w)}}); err != nil {
		w.Fatalf("installing ExternalDNS' CRD: %v", err)
	}
}

// start ExternalDNS with what all tests want.
func (w *world) start(flags ...string) (stop func()) {
	w.Helper()
	return dnstest.StartExternalDNS(w, w.dns, w.kube.Kubeconfig, append([]string{
		"--namespace=" + cluster.Namespace, "--label-filter=app.kubernetes.io/managed-by=xmppfed", "--policy=sync", "--domain-filter=" + apex,
	}, flags...)...)
}

// says waits until what is said of the records has all the words, or nothing is said for none.
func (w *world) says(words []string, units []dns.Unit, gone ...dns.Key) {
	w.Helper()
	var message string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		message = check(w.T, w.port, w, units, gone...)
		missing := func(word string) bool { return !strings.Contains(message, word) }
		if !slices.ContainsFunc(words, missing) && (len(words) > 0 || message == "") {
			return
		}
	}
	w.Fatalf("got %q, want %q", message, words)
}

// published waits until the servers have the records, and no longer have those that are gone.
func (w *world) published(units []dns.Unit, gone ...dns.Key) {
	w.Helper()
	w.says(nil, units, gone...)
}

// others are the records that neither the operator nor ExternalDNS wrote.
func (w *world) others() []string {
	return slices.DeleteFunc(w.dns.Dump(apex), func(line string) bool {
		return strings.Contains(line, "_xmpp-server.") || strings.Contains(line, "cup1.") || strings.Contains(line, "heritage=external-dns")
	})
}

// untouched compares others to what they were.
func (w *world) untouched(before []string) {
	w.Helper()
	if diff := cmp.Diff(before, w.others()); diff != "" {
		w.Errorf("records of others changed (-before +after):\n%s", diff)
	}
}

// objects there are, with their resource versions.
func (w *world) objects() map[string]string {
	w.Helper()
	var all unstructured.UnstructuredList
	all.SetGroupVersionKind(dnsendpoint.Kind)
	if err := w.kube.Client.List(w.Context(), &all); err != nil {
		w.Fatal(err)
	}
	versions := map[string]string{}
	for _, o := range all.Items {
		versions[o.GetName()] = o.GetResourceVersion()
	}
	return versions
}

var host = dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA}

// The TXT registry of version 0.20 takes no service record for its own, so it is the registry noop that shows a whole life.
// That one takes every record for its own, except for names that are excluded.
func TestRecordsAreCreatedChangedAndRemovedByARealExternalDNS(t *testing.T) {
	w := newWorld(t)
	w.installCRD()
	flags := []string{manageSRV, "--registry=noop", "--exclude-domains=www." + apex, "--exclude-domains=ns1." + apex}
	stop := w.start(flags...)
	before := w.others()
	first, second := federation(5269, "203.0.113.130"), federation(5299, "203.0.113.131")

	mustConverge(t, w, first...)
	w.published(first)
	idle := w.objects()
	mustConverge(t, w, first...)
	if diff := cmp.Diff(idle, w.objects()); diff != "" {
		t.Errorf("a run on what was as wanted changed objects (-before +after):\n%s", diff)
	}

	mustConverge(t, w, second...)
	w.published(second)
	w.untouched(before)

	// ExternalDNS is away while records change, and takes up where it was.
	stop()
	mustConverge(t, w, first...)
	w.says([]string{"no ExternalDNS says that it has read DNSEndpoint"}, first)
	w.start(flags...)
	w.published(first)

	mustConverge(t, w)
	w.published(nil, srv, host)
	w.untouched(before)
}

func TestAMissingFlagOfARealExternalDNSIsNamedAndHealsWhenItIsSet(t *testing.T) {
	w := newWorld(t)
	units := federation(5269, "203.0.113.130")
	e, ok := dns.AsError(converge(t, w, units...))
	if !ok || e.Reason != v1alpha1.ReasonUpdateRejected || !strings.Contains(e.Message, "the cluster has no DNSEndpoints") {
		t.Errorf("without CRD: got %v, want UpdateRejected that tells that there are no DNSEndpoints", e)
	}
	w.installCRD()
	before := w.others()
	mustConverge(t, w, units...)
	w.says([]string{"no ExternalDNS says that it has read DNSEndpoint xmppfed-system/records.", "--source=crd"}, units)
	stop := w.start("--txt-owner-id=test")
	w.says([]string{"none of type SRV", manageSRV}, units)
	stop()
	stop = w.start("--txt-owner-id=test", manageSRV)
	w.published(units)

	// It has read service records and can replace none.
	changed := federation(5299, "203.0.113.131")
	mustConverge(t, w, changed...)
	w.says([]string{"other data stands there", "registry txt", "removes " + srv.String()}, changed)
	w.dns.Edit(apex, dns.Change{Drop: []dns.Key{srv}})
	w.published(changed)
	mustConverge(t, w)
	w.says([]string{"still serves " + srv.String(), "registry txt"}, nil, srv, host)
	w.dns.Edit(apex, dns.Change{Drop: []dns.Key{srv}})
	w.published(nil, srv, host)
	w.untouched(before)
	stop()
}

func TestRecordsOfOthersStandInTheWayOfARealExternalDNS(t *testing.T) {
	w := newWorld(t)
	w.installCRD()
	w.start("--txt-owner-id=test", manageSRV)
	units := federation(5269, "203.0.113.130")
	theirs := units[0].Records[0]
	theirs.Data = []dns.Data{dns.SRV{Port: 5269, Target: "old.cupdomain.com."}}
	w.dns.Edit(apex, dns.Change{Put: []dns.RRset{theirs}})
	e, ok := dns.AsError(converge(t, w, units...))
	if !ok || e.Reason != v1alpha1.ReasonRecordExistsUnowned {
		t.Errorf("got %v, want RecordExistsUnowned", e)
	}
	if objects := w.objects(); objects["records."+apex] != "" {
		t.Errorf("objects %v, want none of %s", objects, apex)
	}
	w.dns.Edit(apex, dns.Change{Drop: []dns.Key{srv}})
	mustConverge(t, w, units...)
	w.published(units)

	signer, err := dns.NewSigner([]byte("a key for tests of 32 bytes or so"))
	if err != nil {
		t.Fatal(err)
	}
	rival := func(p dns.Provider, units []dns.Unit) *dns.Error {
		result, err := dns.Converge(t.Context(), p, signer, dns.Owner{ID: "owner002"}, units)
		if err == nil {
			err = result.Err()
		}
		e, _ := dns.AsError(err)
		return e
	}
	if e := rival(w, federation(5299, "203.0.113.131")); e == nil || e.Reason != v1alpha1.ReasonOwnershipConflict {
		t.Errorf("the rival: got %v, want OwnershipConflict", e)
	}
	// The rival is given the names between reading and applying.
	once := false
	late := w.provider(interceptor.NewClient(w.kube.Client, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			if !once {
				once = true
				mustConverge(t, w)
				if e := rival(w, federation(5299, "203.0.113.131")); e != nil {
					t.Errorf("the rival, after the names were released: %v", e)
				}
			}
			return c.Apply(ctx, o, options...)
		},
	}))
	e, ok = dns.AsError(converge(t, late, federation(5269, "203.0.113.132")...))
	if !once || !ok || e.Reason != v1alpha1.ReasonOwnershipConflict {
		t.Errorf("who was too late: got %v, want OwnershipConflict", e)
	}
}
