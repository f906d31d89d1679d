package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// What a validator asks of a mix, as strictly as any does:
//
//   - An empty DS set makes the zone insecure: all is well, unless that was not
//     meant to be.
//   - Some DS leads to a key in the DNSKEY set that has signed that set, not
//     revoked (RFC 4035 section 5.2, RFC 5011 section 2.1).
//   - That holds for every algorithm in the DS set (RFC 4035 section 2.2).
//   - Every algorithm in the DNSKEY set has signed every set, by a key in the
//     DNSKEY set, the DNSKEY set itself too (RFC 4035 section 2.2). RFC 6840
//     section 5.11 lets validators be content with less; not all are.
//
// The second and third look at a DS set and a DNSKEY set, the last at a DNSKEY
// set and another, so no more than pairs have to be judged.

const (
	delegationPair = iota
	signaturePair
)

// judge returns what is wrong with the mixes that are possible at a moment. A
// mix is told once for as long as it is about.
func (c *caches) judge(now time.Time, a *anchors) (faults []string) {
	about := map[string]bool{}
	secure := a != nil && a.faults(c, now, func(mix string) { about[mix] = true })
	c.ds.about(now, func(ds int) {
		if len(c.ds.sets[ds].keys) == 0 {
			if c.secured && c.ds.entry(ds).open > 0 {
				about["a server of the parent has no DS: the zone has become insecure, though it was not to"] = true
			}
			return
		}
		secure = true
		c.dnskey.about(now, func(k int) { c.note(about, delegationPair, ds, k) })
	})
	if secure {
		c.dnskey.about(now, func(k int) {
			c.zone.about(now, func(z int) { c.note(about, signaturePair, k, z) })
		})
	}
	for mix := range about {
		if !c.told[mix] {
			faults = append(faults, mix)
		}
	}
	c.told = about
	slices.Sort(faults)
	return faults
}

func (c *caches) note(about map[string]bool, pair, a, b int) {
	at := [3]int{pair, a, b}
	verdict, ok := c.verdicts[at]
	if !ok {
		if pair == delegationPair {
			verdict = c.delegated(c.ds.sets[a], c.dnskey.sets[b])
		} else {
			verdict = c.signed(c.dnskey.sets[a], c.zone.sets[b])
		}
		c.verdicts[at] = verdict
	}
	if verdict != "" {
		about[verdict] = true
	}
}

// delegated says why a DS set does not lead into a DNSKEY set; empty: it does.
func (c *caches) delegated(ds, set content) string {
	var lacking []string
	for _, k := range ds.keys {
		algorithm := c.keys[k].algorithm
		leads := slices.ContainsFunc(ds.keys, func(k int) bool {
			return c.keys[k].algorithm == algorithm && set.anchoredBy(k)
		})
		if name := algorithm.String(); !leads && !slices.Contains(lacking, name) {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) == 0 {
		return ""
	}
	return fmt.Sprintf("DS of %s + DNSKEY set %s: no DS of algorithm %s leads to a key that has signed it",
		c.names(ds.keys), c.describe(set), strings.Join(lacking, " and "))
}

// anchoredBy reports whether a key is in the DNSKEY set, good for use, and has
// signed the set.
func (s content) anchoredBy(k int) bool {
	return slices.Contains(s.keys, k) && slices.Contains(s.signers, k) && !slices.Contains(s.revoked, k)
}

// signed says why a DNSKEY set does not do for a set of the zone, or for
// itself; empty: it does.
func (c *caches) signed(keys, set content) string {
	for _, k := range keys.keys {
		algorithm := c.keys[k].algorithm
		by := func(signers []int) bool {
			return slices.ContainsFunc(signers, func(s int) bool {
				return c.keys[s].algorithm == algorithm && slices.Contains(keys.keys, s)
			})
		}
		if !by(keys.signers) {
			return fmt.Sprintf("DNSKEY set %s: algorithm %s of %s has not signed it", c.describe(keys), algorithm, c.keys[k].name)
		}
		if !by(set.signers) {
			return fmt.Sprintf("DNSKEY set %s + records signed by %s: no signature by a key of algorithm %s in that set",
				c.describe(keys), c.names(set.signers), algorithm)
		}
	}
	return ""
}

// describe tells the keys of a DNSKEY set and who signed it.
func (c *caches) describe(s content) string {
	if len(s.keys) == 0 {
		return "that is empty"
	}
	text := "with " + c.names(s.keys)
	if len(s.revoked) > 0 {
		text += ", " + c.names(s.revoked) + " revoked"
	}
	return text + ", signed by " + c.names(s.signers)
}

// names lists keys as KSK 1 (12345).
func (c *caches) names(keys []int) string {
	if len(keys) == 0 {
		return "nobody"
	}
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = fmt.Sprintf("%s (%d)", c.keys[k].name, c.keys[k].tag)
	}
	return strings.Join(words, ", ")
}
