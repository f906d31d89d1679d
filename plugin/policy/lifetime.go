package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// RFC 5011's times, where the DS of a zone is a trust anchor that validators keep
// by themselves.
const (
	// AddHoldDown is how long they take at most to trust a new key: the add
	// hold-down time (section 2.4.1: 30 days) and, on both sides of it, the longest
	// that they wait between two looks at the DNSKEY set (section 2.3: 15 days).
	AddHoldDown = (30 + 2*15) * day
	// RemoveHoldDown is how long a revoked key has to be seen: by one that looks
	// as seldom as it may, and for the remove hold-down time (section 2.4.2: 30 days).
	RemoveHoldDown = (15 + 30) * day
)

// term is one value in a sum.
type term struct {
	word   string
	length time.Duration
}

// wait is a part of a roll that nothing shortens, told with its terms.
type wait struct {
	length time.Duration
	text   string
}

// sum returns a part of a roll that consists of terms.
func sum(name string, terms ...term) wait {
	var w wait
	var list []string
	for _, t := range terms {
		w.length += t.length
		list = append(list, t.word+" "+FormatDuration(t.length))
	}
	w.text = fmt.Sprintf("%s %s (%s)", name, FormatDuration(w.length), strings.Join(list, " + "))
	return w
}

// inCaches is how long caches may lack what is new in the DNSKEY set, and have
// what is old: Ipub of RFC 7583 sections 3.2.1 and 3.3.1, and a margin.
func (p Policy) inCaches(name string, margin term, more ...term) wait {
	return sum(name, append(more, term{"dnskey_ttl", p.dnskeyTTL()}, term{"zone_propagation_delay", p.ZonePropagation}, margin)...)
}

// resigning is how long it takes until no cache has a signature by the old key:
// Iret of RFC 7583 section 3.2.1. The DNSKEY set is in every zone, and so is its
// TTL.
func (p Policy) resigning(maxTTL time.Duration) []wait {
	length, slot := Spread(p.Validity, p.Refresh), SlotWidth(p.Validity, p.Refresh)
	longest := term{"dnskey_ttl", p.dnskeyTTL()}
	if maxTTL > longest.length {
		longest = term{"the longest TTL", maxTTL}
	}
	return []wait{
		{length, fmt.Sprintf("moving the signatures %s (signatures_validity %s - signatures_refresh %s in slots of %s)",
			FormatDuration(length), FormatDuration(p.Validity), FormatDuration(p.Refresh), FormatDuration(slot))},
		sum("forgetting the old ones", longest, term{"zone_propagation_delay", p.ZonePropagation}, p.margin()),
	}
}

// delegating is how long it takes at least until no validator has the old DS:
// DprpP + TTLds of RFC 7583 section 3.3.1, and a margin; what the parent takes to
// change it comes on top. Without a parent validators have the key itself: they
// are to trust the new one before the old one is revoked (RFC 7583 section 3.3.4).
func (p Policy) delegating() []wait {
	if p.NoParent {
		return []wait{
			p.inCaches("having the new key trusted", p.publishSafety(), term{"RFC 5011", AddHoldDown}),
			p.inCaches("having the old one distrusted", p.retireSafety(), term{"RFC 5011", RemoveHoldDown}),
		}
	}
	return []wait{sum("changing the DS", term{"parent ds_ttl", p.DSTTL},
		term{"parent propagation_delay", p.ParentPropagation}, p.margin())}
}

// roll returns the parts of a roll, one after the other. Signatures and DS
// change side by side: the longer way is told.
func (p Policy) roll(r Role, maxTTL time.Duration) []wait {
	var longer []wait
	if r.SignsZone() {
		longer = p.resigning(maxTTL)
	}
	if ds := p.delegating(); r.SignsDNSKEY() && total(ds) > total(longer) {
		longer = ds
	}
	parts := []wait{p.inCaches("publishing", p.publishSafety())}
	return append(append(parts, longer...), p.inCaches("withdrawing the old key", p.retireSafety()))
}

func total(parts []wait) (length time.Duration) {
	for _, part := range parts {
		length += part.length
	}
	return length
}

func (p Policy) publishSafety() term { return term{"publish_safety", p.PublishSafety} }

func (p Policy) retireSafety() term { return term{"retire_safety", p.RetireSafety} }

// margin is the longer safety, where the new is waited for and the old at a time.
func (p Policy) margin() term {
	if p.PublishSafety > p.RetireSafety {
		return p.publishSafety()
	}
	return p.retireSafety()
}

func (p Policy) dnskeyTTL() time.Duration { return time.Duration(p.DNSKEYTTL) * time.Second }

// RollTime returns how long a roll of a role takes at least in a zone whose
// longest TTL is maxTTL: from the new key's publication until no cache has
// anything of the old one. What signing and the parent take comes on top. With a
// publish_safety over the retire_safety a KSK's roll is over a little earlier: the
// old key may go while the new DS still has its margin.
func (p Policy) RollTime(r Role, maxTTL time.Duration) time.Duration { return total(p.roll(r, maxTTL)) }

// room says whether a lifetime has room for a roll.
type room uint8

const (
	ample room = iota
	tight      // for one roll, but not for twice what it takes
	none       // the next roll would begin before the last one is over
)

// room judges the lifetime of a role against what a roll takes.
func (p Policy) room(r Role, maxTTL time.Duration) room {
	life, need := p.Lifetime(r), p.RollTime(r, maxTTL)
	switch {
	case life <= 0 || life >= 2*need: // below 0 it is a fault by itself
		return ample
	case life > need:
		return tight
	}
	return none
}

// checkLifetimes makes sure that rolls of a role never pile up: RFC 7583 section
// 3.2.1 asks that a key's lifetime is longer than the waits of a roll.
func (p Policy) checkLifetimes(f, w *findings) {
	for _, r := range p.Roles() {
		switch p.room(r, 0) {
		case none:
			p.tellLifetime(f, r, 0)
		case tight:
			p.tellLifetime(w, r, 0)
		}
	}
}

// checkZoneLifetimes tells what the longest TTL of a zone adds to that.
func (p Policy) checkZoneLifetimes(w *findings, maxTTL time.Duration) {
	for _, r := range p.Roles() {
		if p.room(r, maxTTL) > p.room(r, 0) {
			p.tellLifetime(w, r, maxTTL)
		}
	}
}

// tellLifetime puts the inequality into words, and the values that would do.
func (p Policy) tellLifetime(f *findings, r Role, maxTTL time.Duration) {
	role := strings.ToLower(r.String())
	var texts []string
	for _, part := range p.roll(r, maxTTL) {
		texts = append(texts, part.text)
	}
	is, so := "is less than twice what a roll takes, ", "a roll that is held up would still run when the next one is due"
	if p.room(r, maxTTL) == none {
		is, so = "is not more than what a roll takes, ", "rolls would pile up"
	}
	against := []string{"dnskey_ttl", "zone_propagation_delay", "publish_safety", "retire_safety", "scheme"}
	if r.SignsDNSKEY() {
		against = slices.Insert(against, 0, "parent")
	}
	if r.SignsZone() {
		against = slices.Insert(against, 0, "signatures_validity", "signatures_refresh")
	}
	do := strings.Join(p.remedies(r, maxTTL), ", or ")
	if strings.Contains(do, ", ") {
		do += ","
	}
	f.add(role, against, "%s lifetime %s %s%s = %s: %s; %s would do", role, FormatDuration(p.Lifetime(r)), is,
		strings.Join(texts, " + "), FormatDuration(p.RollTime(r, maxTTL)), so, do)
}

// remedies returns values of which each alone leaves room for twice a roll.
func (p Policy) remedies(r Role, maxTTL time.Duration) []string {
	role, need := strings.ToLower(r.String()), p.RollTime(r, maxTTL)
	list := []string{role + " lifetime unlimited"}
	if 2*need <= maxDuration {
		list = []string{fmt.Sprintf("%s lifetime %s or more", role, FormatDuration(2*need))}
	}
	if !r.SignsZone() {
		return list
	}
	excess := need - (p.Lifetime(r) / 2).Truncate(time.Second)
	offer := func(q Policy, maxTTL time.Duration, text string) {
		if q.room(r, maxTTL) == ample {
			list = append(list, text)
		}
	}
	if spread := spreadWithin(total(p.resigning(0)[:1]) - excess); spread >= minSlots*minSlot {
		q := p
		q.Validity = p.Refresh + spread
		offer(q, maxTTL, "signatures_validity of at most "+FormatDuration(q.Validity))
	}
	if ttl := maxTTL - excess; ttl >= p.dnskeyTTL() {
		offer(p, ttl, "TTLs of at most "+FormatDuration(ttl))
	}
	return list
}
