// SPDX-License-Identifier: Apache-2.0

package records_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	miekg "github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/cli/records"
	"github.com/xmppfed/xmppfed/internal/cli/text"
)

// parse reads lines of a master file as a name server does.
func parse(t *testing.T, file string) []string {
	t.Helper()
	parser := miekg.NewZoneParser(strings.NewReader(file), "", "")
	var parsed []string
	for record, ok := parser.Next(); ok; record, ok = parser.Next() {
		data := strings.TrimPrefix(record.String(), record.Header().String())
		parsed = append(parsed, fmt.Sprintf("%s %d %s %s", record.Header().Name, record.Header().Ttl,
			miekg.TypeToString[record.Header().Rrtype], data))
	}
	if err := parser.Err(); err != nil {
		t.Fatalf("%v in\n%s", err, file)
	}
	return parsed
}

func TestLinesForBINDAreWhatANameServerReads(t *testing.T) {
	const (
		chat    = "_xmpp-server._tcp.conference.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com."
		service = "_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com."
	)
	for name, test := range map[string]struct {
		change func(*v1alpha1.Federation)
		want   []string
	}{
		"with an address": {func(*v1alpha1.Federation) {},
			[]string{chat, service, "cup1.cupdomain.com. 300 A 203.0.113.128"}},
		"with addresses of both kinds": {
			func(fed *v1alpha1.Federation) {
				fed.Status.Addresses = []string{"203.0.113.128", "203.0.113.129", "2001:db8::5269"}
			},
			[]string{chat, service, "cup1.cupdomain.com. 300 A 203.0.113.128", "cup1.cupdomain.com. 300 A 203.0.113.129",
				"cup1.cupdomain.com. 300 AAAA 2001:db8::5269"}},
		"with the address of a NAT device": {
			func(fed *v1alpha1.Federation) { fed.Spec.Exposure.PublicAddresses = []string{"198.51.100.7"} },
			[]string{chat, service, "cup1.cupdomain.com. 300 A 198.51.100.7"}},
		"before there is an address": {func(fed *v1alpha1.Federation) { fed.Status.Addresses = nil }, []string{chat, service}},
		"with another port, priority, weight and TTL": {
			func(fed *v1alpha1.Federation) {
				fed.Spec.Exposure.Port, fed.Spec.Server.GroupChat = 15269, nil
				fed.Spec.DNS = v1alpha1.DNSSpec{TTL: 60, Priority: 5, Weight: 10}
			},
			[]string{"_xmpp-server._tcp.cupdomain.com. 60 SRV 5 10 15269 xmpp.cupdomain.com.", "xmpp.cupdomain.com. 60 A 203.0.113.128"}},
	} {
		t.Run(name, func(t *testing.T) {
			fed := example.Healthy()
			test.change(fed)
			got := parse(t, records.Bind(records.Of(fed)))
			slices.Sort(got)
			slices.Sort(test.want)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestARecordsStateIsThatOfStatusWhenItSpeaksOfTheSameContent(t *testing.T) {
	fed := example.Healthy()
	fed.Status.Records[0].State = v1alpha1.RecordPending
	fed.Status.Records[1].Data = []string{"0 0 5269 old.cupdomain.com."}
	var states []string
	for _, record := range records.Of(fed).Records {
		states = append(states, record.Name+" "+record.State)
	}
	want := []string{"_xmpp-server._tcp.conference.cupdomain.com Pending", "_xmpp-server._tcp.cupdomain.com Unknown",
		"cup1.cupdomain.com Published"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestARecordThatIsNoLongerWantedIsLeftOverAndNotPasted(t *testing.T) {
	fed := example.Healthy()
	fed.Status.Records = append(fed.Status.Records, v1alpha1.RecordStatus{
		Name: "old.cupdomain.com", Type: "A", TTL: 60, Data: []string{"203.0.113.9"}, State: v1alpha1.RecordPublished,
	})
	list := records.Of(fed)
	if last := list.Records[len(list.Records)-1]; last.Name != "old.cupdomain.com" || last.State != records.StateLeftover {
		t.Errorf("got %+v", last)
	}
	file := records.Bind(list)
	if parsed := parse(t, file); len(parsed) != 3 || !strings.Contains(file, "\n; old.cupdomain.com. ") {
		t.Errorf("a name server reads %q in\n%s", parsed, file)
	}
}

// Where names were handed over, the records that are not this Federation's any more would break the one that has them.
func TestWhatWasHandedOverIsNotPasted(t *testing.T) {
	for _, reason := range []string{v1alpha1.ReasonTransferred, v1alpha1.ReasonTransferOffered} {
		fed := example.Healthy()
		fed.Spec.DNS.TransferTo = "9f86d081884c7d65900a"
		meta.SetStatusCondition(&fed.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionDNSPublished, Status: metav1.ConditionFalse, Reason: reason, Message: "-",
		})
		fed.Status.Records[0].State = v1alpha1.RecordPending
		fed.Status.Records[1].Data = []string{"0 0 5269 old.cupdomain.com."}
		list := records.Of(fed)
		var states []string
		for _, record := range list.Records {
			states = append(states, record.State)
		}
		want := []string{records.StateHandedOver, records.StateHandedOver, "Published"}
		if diff := cmp.Diff(want, states); diff != "" {
			t.Errorf("%s: -want +got:\n%s", reason, diff)
		}
		const why = "handed over to owner 9f86d081884c7d65900a"
		if file := records.Bind(list); len(parse(t, file)) != 1 || !strings.Contains(file, why) {
			t.Errorf("%s: a name server reads %q in\n%s", reason, parse(t, file), file)
		}
		if table := records.Table(list, text.Style{Width: 200}); !strings.Contains(table, why) {
			t.Errorf("%s: the table does not say %q:\n%s", reason, why, table)
		}
	}
}

func TestWhatIsMissingIsSaidInEveryForm(t *testing.T) {
	fed := example.Fresh()
	list := records.Of(fed)
	const missing = "the address records of xmpp.new.example follow once there is a public address"
	written, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for form, got := range map[string]string{
		"bind": records.Bind(list), "table": records.Table(list, text.Style{Width: 200}), "json": string(written),
	} {
		if !strings.Contains(got, missing) {
			t.Errorf("%s does not say %q:\n%s", form, missing, got)
		}
	}
}
