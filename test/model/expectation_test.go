// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// The model: what must hold once everything rests. It knows nothing of how the operator gets there, only what people were
// promised: a name has one publisher, which wants it; a name that somebody wants and nothing stands against is published;
// what others wrote is as they wrote it; what nobody wants is gone; and the status says so.

// view is the state of the world at rest.
type view struct {
	feds map[client.ObjectKey]*v1alpha1.Federation
	// byOwner are the same, by the owner that they are in ownership records.
	byOwner map[string]*v1alpha1.Federation
	// addressOf is the public address of each Federation's Service.
	addressOf map[client.ObjectKey]string
	allowed   map[string]bool
	// usable are the apexes whose DNSZone exists and can be written to.
	usable map[string]bool
}

func (w *world) view(ctx context.Context) (view, error) {
	v := view{
		feds: map[client.ObjectKey]*v1alpha1.Federation{}, byOwner: map[string]*v1alpha1.Federation{}, addressOf: map[client.ObjectKey]string{},
		allowed: map[string]bool{}, usable: map[string]bool{},
	}
	var feds v1alpha1.FederationList
	if err := w.api.List(ctx, &feds); err != nil {
		return v, err
	}
	for i := range feds.Items {
		fed := &feds.Items[i]
		v.feds[client.ObjectKeyFromObject(fed)], v.byOwner[ownerOf(client.ObjectKeyFromObject(fed))] = fed, fed
		var service corev1.Service
		err := w.api.Get(ctx, client.ObjectKey{Namespace: fed.Namespace, Name: fed.Name + "-s2s"}, &service)
		if client.IgnoreNotFound(err) != nil {
			return v, err
		}
		if ingress := service.Status.LoadBalancer.Ingress; len(ingress) > 0 {
			v.addressOf[client.ObjectKeyFromObject(fed)] = ingress[0].IP
		}
	}
	for _, name := range namespaces {
		var namespace corev1.Namespace
		if err := w.api.Get(ctx, client.ObjectKey{Name: name}, &namespace); err != nil {
			return v, err
		}
		v.allowed[name] = namespace.Labels[labelAllowed] == "true"
	}
	var secret corev1.Secret
	if err := w.api.Get(ctx, client.ObjectKeyFromObject(keySecret()), &secret); err != nil {
		return v, err
	}
	var zones v1alpha1.DNSZoneList
	if err := w.api.List(ctx, &zones); err != nil {
		return v, err
	}
	for i := range zones.Items {
		v.usable[string(zones.Items[i].Spec.Zone)] = string(secret.Data["secret"]) == goodKey
	}
	return v, nil
}

// violations are the ways in which the world at rest is not what the model says, sorted.
func (w *world) violations(ctx context.Context) ([]string, error) {
	v, err := w.view(ctx)
	if err != nil {
		return nil, err
	}
	found := slices.Concat(w.foreignTouched(), w.leftBehind(v), w.leadAstray(), w.unpublished(v), w.statusWrong(v), w.stuckDeletions(v))
	slices.Sort(found)
	return found, nil
}

// foreignTouched finds records of others that are not as they wrote them.
func (w *world) foreignTouched() []string {
	var found []string
	for apex, foreign := range w.foreign {
		for key, set := range foreign {
			if got, exists := lookup(w.zones[apex], key); !exists || !got.Equal(set) {
				found = append(found, fmt.Sprintf("%s of somebody else was changed to %v", key, got.Strings()))
			}
		}
	}
	return found
}

// leftBehind finds records of ours that no living Federation wants, or that are not what their owner wants.
func (w *world) leftBehind(v view) []string {
	var found []string
	for _, apex := range apexes {
		if !v.usable[apex] {
			continue // nobody could have removed anything
		}
		for _, set := range w.zones[apex].Sets() {
			if _, foreign := w.foreign[apex][set.Key()]; foreign {
				continue
			}
			if complaint := w.complain(v, set); complaint != "" {
				found = append(found, complaint)
			}
		}
	}
	return found
}

// leadAstray finds service records of ours that lead to a host at which the same owner has no address.
func (w *world) leadAstray() []string {
	var found []string
	for _, apex := range apexes {
		for _, set := range w.zones[apex].Sets() {
			owner := w.holder(set.Key())
			if set.Type != dns.TypeSRV || owner == "" {
				continue
			}
			host := hostOf(set)
			if at := w.holder(dns.Key{Name: dns.Canonical(host), Type: dns.TypeA}); at != owner {
				found = append(found, fmt.Sprintf("%s of %s leads to %s, whose address is that of %q", set.Key(), owner, host, at))
			}
		}
	}
	return found
}

// hostOf is the host that a service record leads to.
func hostOf(set dns.RRset) string {
	fields := strings.Fields(set.Data[0].String())
	return trimDot(fields[len(fields)-1])
}

func (w *world) complain(v view, set dns.RRset) string {
	if set.Type == dns.TypeTXT {
		for _, text := range set.Strings() {
			if owner := markerOwner(text); v.byOwner[owner] == nil && !w.orphans[owner] {
				return fmt.Sprintf("%s names owner %s, which is no Federation", set.Key(), owner)
			}
		}
		return ""
	}
	owner := w.holder(set.Key())
	fed := v.byOwner[owner]
	switch {
	case w.orphans[owner]:
		return ""
	case owner == "":
		return fmt.Sprintf("%s %v has no owner", set.Key(), set.Strings())
	case fed == nil:
		return fmt.Sprintf("%s %v belongs to %s, which is no Federation", set.Key(), set.Strings(), owner)
	case v.frozen(fed):
		return "" // what it has stays as it is, whatever its spec says
	}
	key := client.ObjectKeyFromObject(fed)
	if v.addressOf[key] == "" && w.keptOut(v, key) != "" {
		return "" // restored, and not accepted, so it has no address to publish
	}
	candidates := wantedOf(fed, v.addressOf[key])
	if w.keptOut(v, key) != "" { // what it has published goes on at the host name that it had
		before := fed.DeepCopy()
		for _, host := range hostsBefore(&fed.Status) {
			before.Spec.DNS.Hostname = v1alpha1.DomainName(host)
			candidates = append(candidates, wantedOf(before, v.addressOf[key])...)
		}
	}
	for _, wanted := range candidates {
		if wanted.Key() == set.Key() && (wanted.SameData(set) || w.keptOut(v, key) != "") {
			return ""
		}
	}
	return fmt.Sprintf("%s %v belongs to %s, which does not want it so", set.Key(), set.Strings(), key)
}

// hostsBefore are the host names that a Federation has, or had and still keeps, in the DNS.
func hostsBefore(status *v1alpha1.FederationStatus) []string {
	hosts := []string{status.Hostname}
	for _, former := range status.FormerHosts {
		hosts = append(hosts, former.Hostname)
	}
	return hosts
}

// holder is the owner whose ownership records list a record set; empty for none.
func (w *world) holder(key dns.Key) string {
	zone := w.zones[apexOf(dns.Display(key.Name))]
	listed := fmt.Sprintf("%q", strings.TrimSuffix(key.Name, "."+zone.Apex())+" "+dns.TypeName(key.Type))
	for _, set := range zone.Sets() {
		if set.Type != dns.TypeTXT || !strings.HasPrefix(set.Name, "own._xmppfed.") {
			continue
		}
		for _, text := range set.Strings() {
			if strings.Contains(text, listed) {
				return markerOwner(text)
			}
		}
	}
	return ""
}

// keptOut is one of the Federation's names that another owner, or somebody else altogether, has in the DNS, or that a Federation has
// a claim to which is suspended, or keeps it for somebody else to whom it gives it; empty for none. What others offer to it keeps it from nothing.
func (w *world) keptOut(v view, key client.ObjectKey) string {
	for _, name := range namesOf(v.feds[key]) {
		for other, fed := range v.feds {
			reserved := fed.Spec.Suspend || givesAway(fed) && fed.Spec.DNS.TransferTo != ownerOf(key)
			if other != key && reserved && slices.Contains(namesOf(fed), name) {
				return name
			}
		}
	}
	for _, wanted := range wantedOf(v.feds[key], "192.0.2.1") {
		holder := w.holder(wanted.Key())
		if holder != "" && holder != ownerOf(key) && !v.offers(holder, key) {
			return wanted.Key().String()
		}
		if _, foreign := w.foreign[apexOf(dns.Display(wanted.Name))][wanted.Key()]; foreign {
			return wanted.Key().String()
		}
	}
	return ""
}

// offers reports whether a Federation that is worked on hands over what it has to another one.
func (v view) offers(owner string, to client.ObjectKey) bool {
	fed := v.byOwner[owner]
	return fed != nil && fed.Spec.DNS.TransferTo == ownerOf(to) && !fed.Spec.Suspend && v.allowed[fed.Namespace] && fed.DeletionTimestamp.IsZero()
}

// givesAway reports whether a Federation hands over what it has, so that it publishes nothing.
func givesAway(fed *v1alpha1.Federation) bool {
	to := fed.Spec.DNS.TransferTo
	return to != "" && to != ownerOf(client.ObjectKeyFromObject(fed))
}

// frozen Federations are not worked on in the DNS: they are suspended or being deleted, their namespace may not publish, a zone of
// theirs can't be used, or they hand their names over.
func (v view) frozen(fed *v1alpha1.Federation) bool {
	usable := v.allowed[fed.Namespace]
	for _, name := range namesOf(fed) {
		usable = usable && v.usable[apexOf(name)]
	}
	return fed.Spec.Suspend || !fed.DeletionTimestamp.IsZero() || !usable || givesAway(fed)
}

// wantedOf are the records that a Federation wants, by the manifest alone.
func wantedOf(fed *v1alpha1.Federation, ip string) []dns.RRset {
	host, ttl := string(fed.Spec.DNS.Hostname), uint32(fed.Spec.DNS.TTL)
	var sets []dns.RRset
	if ip != "" {
		sets = append(sets, address(host, ttl, ip))
	}
	for _, domain := range fed.Spec.Domains {
		sets = append(sets, dns.SRVRecord(dns.ServiceXMPPServer, string(domain), ttl, dns.SRV{Port: uint16(fed.Spec.Exposure.Port), Target: dns.Canonical(host)}))
	}
	return sets
}

// unpublished finds Federations that lack something that nothing keeps them from.
func (w *world) unpublished(v view) []string {
	var found []string
	for key, fed := range v.feds {
		if v.frozen(fed) || w.keptOut(v, key) != "" {
			continue
		}
		if missing := w.missing(v, key); len(missing) > 0 {
			found = append(found, fmt.Sprintf("%s lacks %v, though nobody else has any of its names", key, missing))
		}
	}
	return found
}

func namesOf(fed *v1alpha1.Federation) []string {
	names := []string{string(fed.Spec.DNS.Hostname)}
	for _, domain := range fed.Spec.Domains {
		names = append(names, string(domain))
	}
	return names
}

// statusWrong finds Federations whose Ready says something else than the zones.
func (w *world) statusWrong(v view) []string {
	var found []string
	for key, fed := range v.feds {
		if fed.Spec.Suspend || !fed.DeletionTimestamp.IsZero() || givesAway(fed) {
			continue
		}
		ready := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.ObservedGeneration != fed.Generation {
			found = append(found, fmt.Sprintf("%s has no Ready of its generation %d", key, fed.Generation))
			continue
		}
		has := w.missing(v, key)
		switch isReady := ready.Status == metav1.ConditionTrue; {
		case isReady && len(has) > 0:
			found = append(found, fmt.Sprintf("%s is Ready without %v", key, has))
		case ready.Reason == v1alpha1.ReasonOwnershipLost && len(w.stripped) > 0:
		case !isReady && w.strands(v, ownerOf(key)):
		case !isReady && len(has) == 0 && !v.frozen(fed) && w.keptOut(v, key) == "":
			found = append(found, fmt.Sprintf("%s has all it wants, and is %s: %s", key, ready.Reason, ready.Message))
		}
	}
	return found
}

// strands reports whether records of an owner stand where nobody can withdraw them, because the zone has no DNSZone that can be used.
func (w *world) strands(v view, owner string) bool {
	for _, apex := range apexes {
		mine := func(set dns.RRset) bool { return w.holder(set.Key()) == owner }
		if !v.usable[apex] && slices.ContainsFunc(w.zones[apex].Sets(), mine) {
			return true
		}
	}
	return false
}

// missing are the records that a Federation wants and that are not as it wants them.
func (w *world) missing(v view, key client.ObjectKey) []string {
	var missing []string
	wanted := wantedOf(v.feds[key], v.addressOf[key])
	for _, set := range wanted {
		got, exists := lookup(w.zones[apexOf(dns.Display(set.Name))], set.Key())
		if !exists || !got.Equal(set) {
			missing = append(missing, set.Key().String())
		}
	}
	if v.addressOf[key] == "" {
		missing = append(missing, "its address")
	}
	return missing
}

// stuckDeletions finds Federations that are still there though nothing holds up their deletion: neither a zone, nor an offer that
// nobody accepts, nor a record that leads to their address and is not known to be theirs.
func (w *world) stuckDeletions(v view) []string {
	var found []string
	for key, fed := range v.feds {
		if givesAway(fed) || len(w.stripped) > 0 || fed.DeletionTimestamp.IsZero() || slices.Contains(slices.Collect(maps.Values(v.usable)), false) || len(v.usable) < len(apexes) {
			continue
		}
		ready := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil {
			found = append(found, fmt.Sprintf("%s is not deleted, and says nothing", key))
			continue
		}
		found = append(found, fmt.Sprintf("%s is not deleted: %s", key, ready.Message))
	}
	return found
}

// ownerOf is the owner that stands for a Federation in ownership records: see the documentation of spec.dns.transferTo.
func ownerOf(key client.ObjectKey) string {
	hash := sha256.Sum256([]byte("model/" + key.Namespace + "/" + key.Name))
	return hex.EncodeToString(hash[:10])
}

// markerOwner is the owner that an ownership record names.
func markerOwner(text string) string {
	_, rest, found := strings.Cut(text, ";o=")
	if !found {
		return ""
	}
	owner, _, _ := strings.Cut(rest, ";")
	return owner
}
