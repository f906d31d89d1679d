package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// HoldDown is the add hold-down time and the remove hold-down time of RFC 5011
// sections 2.4.1 and 2.4.2: validators that keep a trust anchor by themselves
// trust a new key, and forget a revoked one, after it.
const HoldDown = 30 * day

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

// publishing is how long a new key is shown before anything hangs on it: Ipub of
// RFC 7583 sections 3.2.1 and 3.3.1, and a margin.
func (p Policy) publishing() wait {
	return sum("publishing", term{"dnskey_ttl", p.dnskeyTTL()},
		term{"zone_propagation_delay", p.ZonePropagation}, term{"publish_safety", p.PublishSafety})
}

// moving is how long it takes until the last signature is by the new key: Dsgn
// of RFC 7583 section 3.2.1, by the schedule P + w.
func (p Policy) moving() wait {
	slot := SlotWidth(p.Validity, p.Refresh)
	length := Period(p.Validity, p.Refresh) + slot
	return wait{length, fmt.Sprintf("moving the signatures %s (signatures_validity %s - signatures_refresh %s in slots of %s)",
		FormatDuration(length), FormatDuration(p.Validity), FormatDuration(p.Refresh), FormatDuration(slot))}
}

// delegating is how long it takes at least until no validator has the old DS:
// DprpP + TTLds of RFC 7583 section 3.3.1, and a margin; how long the parent takes
// to change it comes on top. Without a parent validators hold the key itself, and
// RFC 5011 says how long (RFC 7583 section 3.3.4).
func (p Policy) delegating() wait {
	if p.NoParent {
		return sum("changing the trust anchor", term{"RFC 5011 add hold-down", HoldDown}, term{"remove hold-down", HoldDown})
	}
	return sum("changing the DS", term{"parent ds_ttl", p.DSTTL},
		term{"parent propagation_delay", p.ParentPropagation}, term{"retire_safety", p.RetireSafety})
}

// retiring is how long the old key stays for what caches have of it: the rest
// of Iret of RFC 7583 sections 3.2.1 and 3.3.1, and a margin.
func (p Policy) retiring(longest term) wait {
	return sum("retiring", longest, term{"zone_propagation_delay", p.ZonePropagation}, term{"retire_safety", p.RetireSafety})
}

// roll returns the parts of a roll. The longest TTL of the zone counts where its
// signatures are by keys of the role; the DNSKEY set always is in the zone.
func (p Policy) roll(r Role, maxTTL time.Duration) []wait {
	longest := term{"dnskey_ttl", p.dnskeyTTL()}
	if r.SignsZone() && maxTTL > longest.length {
		longest = term{"the longest TTL", maxTTL}
	}
	parts := []wait{p.publishing()}
	if r.SignsZone() {
		parts = append(parts, p.moving())
	}
	if r.SignsDNSKEY() {
		parts = append(parts, p.delegating())
	}
	return append(parts, p.retiring(longest))
}

func (p Policy) dnskeyTTL() time.Duration { return time.Duration(p.DNSKEYTTL) * time.Second }

// RollTime returns how long a roll of a role takes at least in a zone whose
// longest TTL is maxTTL: the sum of what has to be waited for one after the other.
func (p Policy) RollTime(r Role, maxTTL time.Duration) (total time.Duration) {
	for _, part := range p.roll(r, maxTTL) {
		total += part.length
	}
	return total
}

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
	case life == 0 || life >= 2*need:
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
	if spread := spreadWithin(p.moving().length - excess); spread >= minSlots*minSlot {
		list = append(list, "signatures_validity of at most "+FormatDuration(p.Refresh+spread))
	}
	if ttl := maxTTL - excess; ttl >= p.dnskeyTTL() {
		list = append(list, "TTLs of at most "+FormatDuration(ttl))
	}
	return list
}
