// SPDX-License-Identifier: Apache-2.0

// Package dns publishes records in zones that others write to as well, and removes them again, without ever touching
// what it did not write.
//
// # Ownership
//
// An owner (one Federation of one cluster) publishes units. A unit is what belongs to one anchor: the service records of
// an XMPP domain, or the addresses of a host. Whoever wants an anchor writes an ownership record at the same place, so
// that claims collide by design:
//
//	own._xmppfed.cupdomain.com. TXT "v=xf1;o=9f86d081884c7d65;e=3;k=5a1c03ee;h=0c3f..." "_xmpp-server._tcp SRV"
//
// It holds the format's version, the owner, an epoch that counts changes, the id of the signing key and the signature
// (HMAC-SHA-256, over these, the zone, the name and all that follows), and then the record sets that the owner has under
// this anchor, relative to the zone. One more record per owner and zone, the index, has the same form and lists the
// owner's ownership records:
//
//	9f86d081884c7d65._xmppfed.cupdomain.com. TXT "v=xf1;o=9f86d081884c7d65;e=8;k=5a1c03ee;h=77d0..." "own._xmppfed TXT"
//
// An index that does not fit into one record lists pages, which list the ownership records:
//
//	9f86d081884c7d65._xmppfed.cupdomain.com. TXT "v=xf1;o=9f86d081884c7d65;e=9;..." "9f86d081884c7d65-1._xmppfed TXT" ...
//
// The zone is thus its own journal. Owner and zone are all that is needed to find everything that is owned, so a crash
// at any moment, or a lost status, leaves nothing behind.
//
// # Changing
//
// Converge reads the index, the ownership records and the wanted records at the primary, decides (see the table in
// plan.go), and sends what differs as one update (RFC 2136), which the server applies as a whole or not at all:
//
//   - An anchor is claimed only if it has no ownership record and none of the new records exists.
//   - A held anchor is changed or released only if its ownership record is exactly the one that was read.
//   - The index must be as it was read too, and gets a new epoch with every update. Hence of two updates based on the
//     same reading only one succeeds: it is a compare-and-swap on all that the owner has in the zone.
//   - No alias may stand where a record is written: servers ignore silently what is added beside a CNAME.
//
// If all is as wanted there is no update. If somebody changed a record that is owned it is put back, and what the caller had seen
// published before tells it apart from a change of its own.
//
// When the server says that a prerequisite does not hold, everything is read and decided again, up to three times, and
// only now does what was read count as an obstacle: an answer alone proves little, as servers make up records below a
// wildcard. What a wildcard may have made up does not count before the server has been asked about the one anchor alone.
// When the answer gets lost the same happens, which is safe, because an update that comes through twice fails the second
// time. After an update the written records are read back, as an accepted update is not yet an applied one, and so are the
// ownership records that it removed: while one of ours is left, so may be all that it lists.
//
// # One anchor and the others
//
// Each anchor converges by itself. One at which something is in the way is left out of the update, stays listed if it was, and is
// named in Result.Refused; of one that is held only the record that can't be written is left out. Everything else of the owner
// in the zone goes on: changes of others, and releases, which never depend on a claim. Hence owners who want each other's names
// all get them. Service records that would lead to a host without address wait for it, be it in another zone (Unit.NoHost), and a
// host name that only service records need which are refused is not claimed (Unit.ForServices). Only what is wrong with the zone as a
// whole, or with the index, without which nothing can be known to be owned, is an error.
//
// When the server refuses an update on account of what it is about (Error.PerName), it is sent with half of the anchors, and so on
// until the one is found that the server refuses alone, which is then left out. An update that is more than a provider takes at once
// (ErrTooLarge) is sent in parts in the same way. Each part is a whole change of some of the anchors, which is decided anew after
// the part before: it claims, changes and releases these, and the index lists what is held once it is carried out. So whatever
// stands is listed, whichever part is the last to come through. Hosts that get addresses come first, those that lose them last.
//
// # Taking over
//
// A record that somebody else wrote is adopted only when its unit names it, and only as it was read: the prerequisite is
// then that it has exactly this data. What another owner or ExternalDNS looks after is not adopted.
//
// An owner hands over what it has by naming another in its ownership records (t=OWNER behind the epoch). From then on it
// changes no record. The other, if it wants the anchor and its unit lets it accept, replaces ownership record, records and
// index in one update, which depends on the offer standing as it was read; so withdrawing and accepting exclude each other,
// and the names never stop answering. The signature of the offer is of no use to the other, who has another key. Hence it
// removes, of what the offer lists, only what can't but belong to the anchor, and accepting needs the same consent as adopting.
//
// # Holding back
//
// A unit that is HeldOnly is kept up to date as far as the owner has it, and neither claimed, nor adopted, nor accepted beyond
// that. Result names what waits. It is for records that must not lead anywhere yet: only who reads the zone knows what is held.
//
// # Sharing
//
// Several owners may have an anchor together if all of them want it shared. Each has an ownership record of its own in the set at
// the anchor's place, which lists the data that is its own. An update depends on both this set and the shared record sets
// being exactly as they were read, and changes only its owner's part of them; who was too slow reads again, after a random
// pause. Data that nobody lists keeps newcomers out, and is left alone by those who are in.
//
// # Guarantees
//
// All this holds where the server checks prerequisites and changes are atomic. A Provider tells by its Capabilities when
// it has to do without. It then reads right before it writes, and Converge first adds and then removes, so that nothing
// gets lost by an interruption, and takes off the index only what it read to be gone; but two who write at the same moment
// may overwrite each other: best effort. A provider of a zone that people write to does not write at all; Converge then
// compares and tells what to create.
//
// # Trust
//
// All exchanges with the primary are signed both ways (package rfc2136). A signature on ownership records keeps those who
// may only write TXT records from making the operator remove what others published; an ownership record that names us but
// was not signed by us, for this place, keeps its anchor as it is until a person has looked at it, and an index that was
// not signed by us stops everything; one that we signed for a zone below, which the same server answers from, is only
// taken off the index. The signature does not protect against who may write to the whole zone, who needs no trick to
// remove records; nor against an old ownership record of ours that is put back while the records it lists have gone to
// somebody else.
//
// # Seeing
//
// The primary is not what partners ask. Package verify asks every authoritative server of the zone for every record.
// Every failure on the way is an Error, which has a reason of the DNSPublished condition, a message that tells what is
// wrong, who can change it and how, and whether time may heal it.
package dns
