package rollover

import (
	"slices"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// A zone validates if it does so for every mix of what caches can hold: any DS
// set, any DNSKEY set with its signatures, any other set with its signatures.
// Caches hold Omnipresent records for certain, Hidden ones for certain not, and
// the others maybe. The rules say that of records alone:
//
//	whole      a zone that is signed has a key in its DNSKEY set that has signed
//	           that, and one of the same algorithm that signs the rest.
//	secure     there is a DS; or there never was one; or the zone is leaving.
//	delegation for each algorithm with a DS: whatever DS of it a cache holds, some
//	           key leads on from that DS set into every DNSKEY set.
//	self-signed for each algorithm with a DNSKEY: every DNSKEY set with it has a
//	           signature of it over itself (RFC 4035 section 2.2).
//	signatures for each algorithm with a DNSKEY: whatever DNSKEY set with it a
//	           cache holds, every signature set has a signature by a key in it.
//
// The last three are asked of each algorithm, not of some: an algorithm's
// signatures are complete before it is shown, and go after it (RFC 6781 section
// 4.1.4), and the leniency of RFC 6840 section 5.11 is never needed. Where
// every DS is Hidden no validator looks: the row "insecure".
//
// A rule is a list of rows; it holds if one of them does.
type rule struct {
	name string
	of   Record // the rule is asked for each algorithm of which a key's record here is not Hidden
	rows []row
}

// row is one way to keep a rule. Keys are those of the algorithm.
type row struct {
	name  string
	holds func(keys []*Key) bool
}

var rules = []rule{
	{"delegation", DS, []row{
		{"anchor", anchor},
		{"every DS leads to a key", everyDSLeads},
	}},
	{"self-signed", DNSKEY, []row{
		{"signed by a key that is known", knownSigner},
		{"keys come and go together", togetherSigned},
	}},
	{"signatures", DNSKEY, []row{
		{"signed", signed},
		{"signatures move", signaturesMove},
		{"signatures first in, last out", signaturesAround},
	}},
}

// The rules that are not of an algorithm.
const (
	wholeRule  = "whole"
	secureRule = "secure"
)

// RuleNames returns the names of the rules.
func RuleNames() []string {
	names := []string{wholeRule, secureRule}
	for _, r := range rules {
		names = append(names, r.name)
	}
	return names
}

// anchor: there is k with DS(k)=O, DNSKEY(k)=O, KRRSIG(k)=O. Every DS set has it,
// every DNSKEY set has it and is signed by it.
func anchor(keys []*Key) bool {
	return slices.ContainsFunc(keys, func(k *Key) bool {
		return k.state(DS) == Omnipresent && leads(k)
	})
}

// everyDSLeads: for all k with DS(k) not H: DNSKEY(k)=O, KRRSIG(k)=O. Whichever
// DS a cache holds, its key is in every DNSKEY set: DS sets may be swapped.
func everyDSLeads(keys []*Key) bool {
	return !slices.ContainsFunc(keys, func(k *Key) bool { return k.state(DS) != Hidden && !leads(k) })
}

func leads(k *Key) bool { return k.state(DNSKEY) == Omnipresent && k.state(KRRSIG) == Omnipresent }

// knownSigner: there is k with DNSKEY(k)=O, KRRSIG(k)=O.
func knownSigner(keys []*Key) bool { return slices.ContainsFunc(keys, leads) }

// togetherSigned: there is k with KRRSIG(k) as DNSKEY(k), and for all z with
// DNSKEY(z) not H, DNSKEY(z) is as DNSKEY(k), all since the same moment.
func togetherSigned(keys []*Key) bool {
	return slices.ContainsFunc(keys, func(k *Key) bool {
		d, s := k.Records[DNSKEY], k.Records[KRRSIG]
		return d.State != Hidden && s.State == d.State && s.Since.Equal(d.Since) && sameDNSKEY(keys, k)
	})
}

// sameDNSKEY: for all z with DNSKEY(z) not H, DNSKEY(z) is as DNSKEY(k), since the
// same moment: whichever DNSKEY set has a key of the algorithm has k.
func sameDNSKEY(keys []*Key, k *Key) bool {
	return !slices.ContainsFunc(keys, func(z *Key) bool {
		a, b := z.Records[DNSKEY], k.Records[DNSKEY]
		return a.State != Hidden && (a.State != b.State || !a.Since.Equal(b.Since))
	})
}

// signed: there is z with DNSKEY(z)=O, ZRRSIG(z)=O.
func signed(keys []*Key) bool {
	return slices.ContainsFunc(keys, func(k *Key) bool {
		return k.state(DNSKEY) == Omnipresent && k.state(ZRRSIG) == Omnipresent
	})
}

// signaturesMove: there are a, b with ZRRSIG(a)=U, ZRRSIG(b)=R, withdrawn and
// shown in one step, so that every set is signed by one of them at least; and for
// all z with ZRRSIG(z) not H: DNSKEY(z)=O.
func signaturesMove(keys []*Key) bool {
	moved := slices.ContainsFunc(keys, func(a *Key) bool {
		return a.state(ZRRSIG) == Unretentive && slices.ContainsFunc(keys, func(b *Key) bool {
			return b.state(ZRRSIG) == Rumoured && b.Records[ZRRSIG].Since.Equal(a.Records[ZRRSIG].Since)
		})
	})
	return moved && !slices.ContainsFunc(keys, func(k *Key) bool {
		return k.state(ZRRSIG) != Hidden && k.state(DNSKEY) != Omnipresent
	})
}

// signaturesAround: there is z with ZRRSIG(z)=O, and for all k with DNSKEY(k)
// not H, DNSKEY(k) is as DNSKEY(z), since the same moment.
func signaturesAround(keys []*Key) bool {
	return slices.ContainsFunc(keys, func(z *Key) bool { return z.state(ZRRSIG) == Omnipresent && sameDNSKEY(keys, z) })
}

// whole: nothing is shown; or there are k, z of one algorithm with DNSKEY(k),
// KRRSIG(k), DNSKEY(z) and ZRRSIG(z) shown. It is what verifiers of one version ask.
func whole(groups [][]*Key) bool {
	shown := func(k *Key, list ...Record) bool {
		return !slices.ContainsFunc(list, func(r Record) bool { return !k.state(r).Shown() })
	}
	signed := false
	for _, keys := range groups {
		has := func(list ...Record) bool {
			return slices.ContainsFunc(keys, func(k *Key) bool { return shown(k, list...) })
		}
		if has(DNSKEY, KRRSIG) && has(DNSKEY, ZRRSIG) {
			return true
		}
		signed = signed || has(DNSKEY) || has(ZRRSIG)
	}
	return !signed
}

// broken is a rule that does not hold, of an algorithm; of none for those that
// are asked once.
type broken struct {
	rule      string
	algorithm policy.Algorithm
}

// judge returns the rules that do not hold for a key set. Insecure says that
// the row of that name counts: nobody validates while every DS is Hidden.
func judge(s *KeySet, leaving, insecure bool, off string) (list []broken) {
	none := !s.has(func(k *Key) bool { return k.state(DS) != Hidden })
	if insecure && none {
		return nil
	}
	if !none && !leaving && len(s.Delegated()) == 0 && off != secureRule {
		list = append(list, broken{secureRule, 0})
	}
	groups := byAlgorithm(s)
	if off != wholeRule && !whole(groups) {
		list = append(list, broken{wholeRule, 0})
	}
	for _, r := range rules {
		for _, keys := range groups {
			if r.name == off || !slices.ContainsFunc(keys, func(k *Key) bool { return k.state(r.of) != Hidden }) {
				continue
			}
			if !slices.ContainsFunc(r.rows, func(w row) bool { return w.holds(keys) }) {
				list = append(list, broken{r.name, keys[0].Algorithm})
			}
		}
	}
	return list
}

// byAlgorithm returns the keys of each algorithm.
func byAlgorithm(s *KeySet) (groups [][]*Key) {
	all := make([]*Key, len(s.Keys))
	for i := range s.Keys {
		all[i] = &s.Keys[i]
	}
	slices.SortStableFunc(all, func(a, b *Key) int { return int(a.Algorithm) - int(b.Algorithm) })
	for begin, end := 0, 1; end <= len(all); end++ {
		if end == len(all) || all[end].Algorithm != all[begin].Algorithm {
			groups = append(groups, all[begin:end])
			begin = end
		}
	}
	return groups
}

// allowed reports whether a key set may become another, and which rule forbids
// it. What is broken already does not block the way: that may be the way out.
func allowed(now, next *KeySet, leaving, insecure bool, off string) (ok bool, why broken) {
	list := judge(next, leaving, insecure, off)
	if len(list) == 0 {
		return true, broken{}
	}
	was := judge(now, leaving, true, off)
	for _, b := range list {
		if !slices.Contains(was, b) {
			return false, b
		}
	}
	return true, broken{}
}
