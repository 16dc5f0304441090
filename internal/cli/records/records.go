// SPDX-License-Identifier: Apache-2.0

// Package records shows the DNS records of a Federation in the forms that DNS hosts, people and programs take.
package records

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/text"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Record is one DNS record set.
type Record struct {
	// Name is the owner name, without trailing dot.
	Name string `json:"name"`
	// Type is the record type, for example SRV.
	Type string `json:"type"`
	// TTL in seconds.
	TTL int32 `json:"ttl"`
	// Data in presentation form.
	Data []string `json:"data"`
	// State is that of status.records, Unknown where status does not speak of this record with this content, Leftover
	// where it speaks of one that is no longer wanted, or HandedOver.
	State string `json:"state"`
}

// States besides those of status.records.
const (
	// StateUnknown means that the operator has not looked for the record yet.
	StateUnknown = "Unknown"
	// StateLeftover means that the record is to be removed, by the operator or, where people write the zone, by them.
	StateLeftover = "Leftover"
	// StateHandedOver means that the record is another Federation's by now, as spec.dns.transferTo says, or will be.
	StateHandedOver = "HandedOver"
)

// List is what a Federation wants in the DNS.
type List struct {
	Records []Record `json:"records"`
	// Missing says what has to happen before the list is complete; empty when it is.
	Missing string `json:"missing,omitempty"`
	// HandedOver says who has the records with state HandedOver; empty when there are none.
	HandedOver string `json:"handedOver,omitempty"`
}

// Of returns the records of a Federation: spec says which, with the addresses that it names, else those of status.
func Of(fed *v1alpha1.Federation) List {
	addresses := Addresses(fed)
	var list List
	for _, unit := range desired.Units(fed, nil, addresses) {
		for _, set := range unit.Records {
			record := Record{Name: dns.Display(set.Name), Type: set.TypeName(), TTL: int32(set.TTL), Data: set.Strings()}
			record.State = stateOf(record, fed.Status.Records)
			list.Records = append(list.Records, record)
		}
	}
	if handsOver(fed) {
		list.handOver(fed.Spec.DNS.TransferTo)
	}
	slices.SortFunc(list.Records, Compare)
	list.Records = append(list.Records, leftovers(list.Records, fed.Status.Records)...)
	if len(addresses) == 0 {
		list.Missing = fmt.Sprintf("the address records of %s follow once there is a public address; see condition %s",
			desired.Hostname(fed), v1alpha1.ConditionAddressAssigned)
	}
	return list
}

// handsOver reports whether the Federation publishes nothing because its names go to another owner.
func handsOver(fed *v1alpha1.Federation) bool {
	published := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionDNSPublished)
	reasons := []string{v1alpha1.ReasonTransferred, v1alpha1.ReasonTransferOffered, v1alpha1.ReasonDeleting}
	return fed.Spec.DNS.TransferTo != "" && published != nil && slices.Contains(reasons, published.Reason)
}

// handOver marks the records that are not published from here any more.
func (l *List) handOver(to string) {
	for i := range l.Records {
		if record := &l.Records[i]; record.State != string(v1alpha1.RecordPublished) {
			record.State = StateHandedOver
			l.HandedOver = fmt.Sprintf("records with state %s are handed over to owner %s, as spec.dns.transferTo says; to paste them "+
				"would break the Federation that has them now", StateHandedOver, to)
		}
	}
}

// remarks are what is to be said of the list as a whole.
func (l *List) remarks() []string {
	return slices.DeleteFunc([]string{l.Missing, l.HandedOver}, func(remark string) bool { return remark == "" })
}

// leftovers are the records of status that are not wanted.
func leftovers(wanted []Record, known []v1alpha1.RecordStatus) []Record {
	var left []Record
	for _, status := range known {
		record := Record{Name: status.Name, Type: status.Type, TTL: status.TTL, Data: status.Data, State: StateLeftover}
		if !slices.ContainsFunc(wanted, func(w Record) bool { return Compare(w, record) == 0 }) {
			left = append(left, record)
		}
	}
	return left
}

// Compare orders records by name and type.
func Compare(a, b Record) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
}

// Addresses are the public addresses of a Federation: those that its spec names, else those that it was assigned.
func Addresses(fed *v1alpha1.Federation) []netip.Addr {
	texts := fed.Spec.Exposure.PublicAddresses
	if len(texts) == 0 {
		texts = fed.Status.Addresses
	}
	var addresses []netip.Addr
	for _, address := range texts {
		if parsed, err := netip.ParseAddr(address); err == nil {
			addresses = append(addresses, parsed)
		}
	}
	return addresses
}

func stateOf(record Record, known []v1alpha1.RecordStatus) string {
	for _, status := range known {
		if status.Name == record.Name && status.Type == record.Type && status.TTL == record.TTL &&
			slices.Equal(status.Data, record.Data) {
			return string(status.State)
		}
	}
	return StateUnknown
}

// Bind writes the records as lines of a master file (RFC 1035 section 5.1), the state of each as a comment. What is left
// over, or handed over, is a comment as a whole.
func Bind(list List) string {
	var b strings.Builder
	names, data := 0, 0
	for _, record := range list.Records {
		names = max(names, len(dns.Canonical(record.Name)))
		for _, line := range record.Data {
			data = max(data, len(line))
		}
	}
	for _, record := range list.Records {
		for _, line := range record.Data {
			if record.State == StateLeftover || record.State == StateHandedOver {
				b.WriteString("; ")
			}
			fmt.Fprintf(&b, "%-*s %6d IN %-4s %-*s ; %s\n",
				names, dns.Canonical(record.Name), record.TTL, record.Type, data, line, record.State)
		}
	}
	for _, remark := range list.remarks() {
		fmt.Fprintf(&b, "; %s\n", remark)
	}
	return b.String()
}

// Table writes the records for people.
func Table(list List, style text.Style) string {
	table := text.Table{Header: []string{"STATE", "TYPE", "TTL", "NAME", "DATA"}}
	for _, record := range list.Records {
		for _, line := range record.Data {
			table.Rows = append(table.Rows, []text.Cell{
				{Text: record.State, Tone: Tone(record.State)}, {Text: record.Type}, {Text: fmt.Sprint(record.TTL)},
				{Text: record.Name}, {Text: line},
			})
		}
	}
	written := table.Render(style)
	for _, remark := range list.remarks() {
		for _, line := range text.Wrap(remark, style.Width) {
			written += line + "\n"
		}
	}
	return written
}

// Tone of a record's state.
func Tone(state string) text.Tone {
	switch state {
	case string(v1alpha1.RecordPublished):
		return text.Good
	case string(v1alpha1.RecordPending), StateLeftover:
		return text.Warning
	}
	return text.Plain
}
