// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// A Federation is accepted with all of its names or not at all. Who has a name in the DNS keeps everybody else out, because only
// one can have it. The names that nobody has go by age: the oldest Federation that may publish, and that nobody keeps out, gets
// them. One that is kept out of a single name keeps nobody out of the others, except of those that it has in the DNS. Age is a total
// order, so this decides every contest, whatever circle the names make.
//
// Who has a name in the DNS is known from status, of which a part may be lost or old. A Federation that is accepted by mistake
// finds another owner at the name and notes it in status.conflicts, which outweighs all that its own status said of the name
// before; one that is kept out looks whether what it noted still holds. So each mistake ends with what the DNS says.

// Contest is what the decision between Federations depends on.
type Contest struct {
	// Wanting returns the Federations whose spec wants a name.
	Wanting func(name string) ([]v1alpha1.Federation, error)
	// MayPublish reports whether a Federation may publish all of its names.
	MayPublish func(fed *v1alpha1.Federation) (bool, error)
}

// Rival returns a Federation that keeps fed out of one of the names that it wants, and that name; nil if there is none.
func (c Contest) Rival(fed *v1alpha1.Federation, names ...string) (*v1alpha1.Federation, string, error) {
	return referee{c, map[string]bool{}}.rival(fed, names)
}

// referee decides one contest.
type referee struct {
	Contest
	// out remembers, by namespace and name, which Federations can't have their names.
	out map[string]bool
}

func (r referee) rival(fed *v1alpha1.Federation, names []string) (*v1alpha1.Federation, string, error) {
	for _, name := range names {
		wanting, err := r.Wanting(name)
		if err != nil {
			return nil, "", err
		}
		slices.SortFunc(wanting, byAge)
		if holder := Holder(name, wanting); holder != nil {
			if contend(holder, fed) {
				return holder, name, nil
			}
			continue
		}
		rival, err := r.elder(fed, wanting)
		if rival != nil || err != nil {
			return rival, name, err
		}
	}
	return nil, "", nil
}

// elder returns the oldest of those that came before fed and can have their names.
func (r referee) elder(fed *v1alpha1.Federation, wanting []v1alpha1.Federation) (*v1alpha1.Federation, error) {
	for i := range wanting {
		elder := &wanting[i]
		if !Older(elder, fed) || !contend(elder, fed) {
			continue
		}
		if can, err := r.canHave(elder); can || err != nil {
			return elder, err
		}
	}
	return nil, nil
}

// canHave reports whether a Federation can have all of its names. It only ever asks about ever older ones, so it comes to an end.
func (r referee) canHave(fed *v1alpha1.Federation) (bool, error) {
	if !fed.DeletionTimestamp.IsZero() {
		return false, nil
	}
	key := fed.Namespace + "/" + fed.Name
	if out, known := r.out[key]; known {
		return !out, nil
	}
	may, err := r.MayPublish(fed)
	if err != nil {
		return false, err
	}
	rival, _, err := r.rival(fed, desired.Claims(fed))
	if err != nil {
		return false, err
	}
	r.out[key] = !may || rival != nil
	return !r.out[key], nil
}

// contend reports whether two Federations keep each other out: not if they are the same, nor if one hands its names over to the
// other.
func contend(a, b *v1alpha1.Federation) bool {
	return !same(a, b) && !HandsOver(a, b) && !HandsOver(b, a)
}

// HandsOver reports whether a Federation offers its names to another one.
func HandsOver(from, to *v1alpha1.Federation) bool {
	return !same(from, to) && to.Status.DNSOwner != "" && from.Spec.DNS.TransferTo == to.Status.DNSOwner
}

// Holder returns which of the Federations that want a name, the oldest first, has it in the DNS; nil if that is not known of any. The
// word of a Federation about itself comes before what others say of it.
func Holder(name string, wanting []v1alpha1.Federation) *v1alpha1.Federation {
	for i := range wanting {
		if publishes(&wanting[i], name) {
			return &wanting[i]
		}
	}
	for i := range wanting {
		named := func(other v1alpha1.Federation) bool { return conflicts(&other, name, wanting[i].Status.DNSOwner) }
		if !denies(&wanting[i], name) && slices.ContainsFunc(wanting, named) {
			return &wanting[i]
		}
	}
	return nil
}

// publishes reports whether a Federation says that every name server has its records of a name.
func publishes(fed *v1alpha1.Federation, name string) bool {
	return !denies(fed, name) && slices.Contains(Published(fed), name)
}

// denies reports whether a Federation found another owner at a name.
func denies(fed *v1alpha1.Federation, name string) bool {
	return slices.ContainsFunc(fed.Status.Conflicts, func(c v1alpha1.NameConflict) bool { return c.Name == name })
}

// conflicts reports whether a Federation found the given owner at a name.
func conflicts(fed *v1alpha1.Federation, name, owner string) bool {
	return owner != "" && slices.Contains(fed.Status.Conflicts, v1alpha1.NameConflict{Name: name, Owner: owner})
}

// Published returns the names, sorted, of which a Federation has records that every name server serves.
func Published(fed *v1alpha1.Federation) []string {
	var names []string
	for _, record := range fed.Status.Records {
		if record.State == v1alpha1.RecordPublished {
			names = append(names, dns.Display(dns.Bare(record.Name)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Claimed says who has the name; across namespaces only that somebody has it.
func Claimed(fed, rival *v1alpha1.Federation, name string) *outcome.Error {
	holder := "a Federation in another namespace"
	if rival.Namespace == fed.Namespace {
		holder = "Federation " + rival.Name
	}
	owner := "the status.dnsOwner of this one"
	if fed.Status.DNSOwner != "" {
		owner = fed.Status.DNSOwner
	}
	return outcome.Stalled(v1alpha1.ReasonDomainClaimed,
		"%s belongs to %s; take it out of this Federation, or have that one deleted or changed, after which this one takes over by "+
			"itself; to move the name here without a gap, have that one name this one in spec.dns.transferTo: %s", name, holder, owner)
}

// same reports whether two copies are of one Federation. One that is yet to be created has no UID.
func same(a, b *v1alpha1.Federation) bool { return a.Namespace == b.Namespace && a.Name == b.Name }

func byAge(a, b v1alpha1.Federation) int {
	switch {
	case Older(&a, &b):
		return -1
	case Older(&b, &a):
		return 1
	default:
		return 0
	}
}
