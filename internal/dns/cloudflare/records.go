// SPDX-License-Identifier: Apache-2.0

package cloudflare

import (
	"encoding/json"
	"slices"
	"strings"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// comment that Cloudflare's dashboard shows beside our records.
const comment = "managed by xmppfed"

// record as the API has it.
type record struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	TTL     uint32 `json:"ttl"`
	Content string `json:"content,omitempty"`
	// Data in place of content, for service and TLSA records.
	Data    json.RawMessage `json:"data,omitempty"`
	Proxied bool            `json:"proxied"`
	Comment string          `json:"comment,omitempty"`
}

// service is the data of a service record.
type service struct {
	Priority uint16 `json:"priority"`
	Weight   uint16 `json:"weight"`
	Port     uint16 `json:"port"`
	Target   string `json:"target"`
}

// association is the data of a TLSA record.
type association struct {
	Usage       uint8  `json:"usage"`
	Selector    uint8  `json:"selector"`
	Matching    uint8  `json:"matching_type"`
	Certificate string `json:"certificate"`
}

// toRecord writes one record of a set.
func toRecord(set dns.RRset, d dns.Data) record {
	r := record{Name: dns.Display(set.Name), Type: set.TypeName(), TTL: set.TTL, Comment: comment}
	// Structs of numbers and a string can be encoded.
	switch d := d.(type) {
	case dns.SRV:
		r.Data, _ = json.Marshal(service{d.Priority, d.Weight, d.Port, dns.Display(d.Target)})
	case dns.TLSA:
		r.Data, _ = json.Marshal(association{d.Usage, d.Selector, d.Matching, d.Data})
	default:
		r.Content = d.String()
	}
	return r
}

// data of the record. What is not served as it stands, because Cloudflare's proxy is in front of it, becomes text, which
// equals nothing that is wanted.
func (r record) data(k dns.Key) dns.Data {
	if r.Proxied {
		return dns.TXT{"proxied " + r.Content}
	}
	return r.content(k)
}

// content of the record, be it served or not.
func (r record) content(k dns.Key) dns.Data {
	switch k.Type {
	case dns.TypeSRV:
		var s service
		if err := json.Unmarshal(r.Data, &s); err != nil {
			return dns.TXT{r.Content}
		}
		return dns.SRV{Priority: s.Priority, Weight: s.Weight, Port: s.Port, Target: dns.Canonical(s.Target)}
	case dns.TypeTLSA:
		var a association
		if err := json.Unmarshal(r.Data, &a); err != nil {
			return dns.TXT{r.Content}
		}
		return dns.TLSA{Usage: a.Usage, Selector: a.Selector, Matching: a.Matching, Data: strings.ToLower(a.Certificate)}
	case dns.TypeCNAME:
		return dns.Alias(dns.Canonical(r.Content))
	default:
		return wire.Data(k, r.Content)
	}
}

// listing is what a zone holds.
type listing map[dns.Key][]record

func (l listing) add(r record) {
	if t, known := miekg.StringToType[strings.ToUpper(r.Type)]; known {
		k := dns.Key{Name: dns.Canonical(r.Name), Type: t}
		l[k] = append(l[k], r)
	}
}

func (l listing) set(k dns.Key) dns.RRset {
	set := dns.RRset{Name: k.Name, Type: k.Type}
	for i, r := range l[k] {
		// Records of one set may have several times to live here; served is the least.
		if i == 0 || r.TTL < set.TTL {
			set.TTL = r.TTL
		}
		set.Data = append(set.Data, r.data(k))
	}
	return set
}

// get the record set, or the alias in its place.
func (l listing) get(k dns.Key) (dns.RRset, bool) {
	for _, k := range []dns.Key{k, {Name: k.Name, Type: dns.TypeCNAME}} {
		if _, ok := l[k]; ok {
			return l.set(k), true
		}
	}
	return dns.RRset{}, false
}

// at keys, and only there.
func (l listing) at(keys []dns.Key) []dns.RRset {
	var sets []dns.RRset
	for _, k := range keys {
		if _, ok := l[k]; ok {
			sets = append(sets, l.set(k))
		}
	}
	return sets
}

// batch is the body of a request. Cloudflare carries out deletes, then puts, then posts.
type batch struct {
	Deletes []deletion `json:"deletes,omitempty"`
	Puts    []record   `json:"puts,omitempty"`
	Posts   []record   `json:"posts,omitempty"`
}

type deletion struct {
	ID string `json:"id"`
}

func (b batch) empty() bool { return len(b.Deletes)+len(b.Puts)+len(b.Posts) == 0 }

func newBatch(change dns.Change, list listing) batch {
	var b batch
	for _, k := range change.Drop {
		b.remove(list[k])
	}
	for _, set := range change.Put {
		b.replace(set, list[set.Key()])
	}
	return b
}

func (b *batch) remove(records []record) {
	for _, r := range records {
		b.Deletes = append(b.Deletes, deletion{r.ID})
	}
}

// replace leaves alone the records that are as wanted, turns others into what is missing, and adds or removes the rest. A record
// whose content is wanted keeps it: Cloudflare changes one record after the other, and never has the same content twice.
func (b *batch) replace(set dns.RRset, old []record) {
	k := set.Key()
	old = slices.Clone(old)
	var missing []record
	for _, d := range unique(set.Data) {
		r := toRecord(set, d)
		i := slices.IndexFunc(old, func(r record) bool { return r.content(k).String() == d.String() })
		if i < 0 {
			missing = append(missing, r)
			continue
		}
		if old[i].TTL != set.TTL || old[i].Proxied {
			r.ID = old[i].ID
			b.Puts = append(b.Puts, r)
		}
		old = slices.Delete(old, i, i+1)
	}
	n := min(len(old), len(missing))
	for i := range n {
		missing[i].ID = old[i].ID
	}
	b.Puts = append(b.Puts, missing[:n]...)
	b.Posts = append(b.Posts, missing[n:]...)
	b.remove(old[n:])
}

// unique data: what is there twice has no meaning, and Cloudflare refuses it.
func unique(data []dns.Data) []dns.Data {
	var out []dns.Data
	for _, d := range data {
		if !slices.ContainsFunc(out, func(earlier dns.Data) bool { return earlier.String() == d.String() }) {
			out = append(out, d)
		}
	}
	return out
}
