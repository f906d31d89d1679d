package rollover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// A walk goes to every state that a zone can reach under the rules if operators
// ask for some kinds of things, whenever they do and in whatever order holds end.
// At each it judges, by what caches can hold and not by the rules, whether
// validation could fail.

// walkStates bounds a walk, which is to end by itself below.
const walkStates = 400000

// endless is the fault of one that does not.
const endless = "the walk does not end"

// place is a state of the walk: the key set, and the sets that caches can hold.
type place struct {
	Set    KeySet
	P      flip
	DS     []string // sets of key names, "" is the empty set
	Keys   []string // DNSKEY sets: the published / the signing keys
	Sigs   []string // the keys that sign a set
	Made   int
	Ticks  time.Duration // since walkNow
	Signed []string      // the newest generation
	Secure bool          // every cache had a DS
}

// flip is what of the policy changes on a walk, and what can change at all: Single
// is orders about one key, to be DNSKEY only or used again, deleted or removed.
type flip struct {
	Ed25519, CSK, Insecure, NoParent                         bool
	Rolls, Algorithms, Schemes, Leaving, Emergencies, Single bool
	Keys                                                     int // up to how many keys something more is asked for
}

// walkNow is when the walk begins. No time passes on it but a tick a step, so
// that moves have their order: what is due is set to long ago.
var walkNow = start.Add(5000 * 24 * time.Hour)

const longAgo = 4000 * 24 * time.Hour

func (f flip) policy() policy.Policy {
	p := policy.Default()
	p.ZSKLifetime, p.PurgeKeys, p.NoParent, p.Insecure = 0, time.Second, f.NoParent, f.Insecure
	if f.Ed25519 {
		p.Algorithm = policy.ED25519
	}
	if f.CSK {
		p.Scheme = policy.SchemeCSK
	}
	return p
}

func (w place) clone() place {
	w.Set = w.Set.Clone()
	w.DS, w.Keys, w.Sigs, w.Signed = slices.Clone(w.DS), slices.Clone(w.Keys), slices.Clone(w.Sigs), slices.Clone(w.Signed)
	return w
}

// act takes steps until nothing is left to do, each served at once.
func (w *place) act(off string, complete time.Time, freeze bool) {
	f := Facts{Complete: complete}
	for range 50 {
		w.Ticks++
		f.Served = walkNow.Add(w.Ticks)
		before := w.Set.Clone()
		plan := StepWithout(off, f.Served, w.P.policy(), f, w.Set)
		w.Set = plan.KeySet
		for i := range w.Set.Keys {
			if k := &w.Set.Keys[i]; !k.Removed.IsZero() {
				k.Removed = walkNow.Add(-longAgo)
			}
		}
		w.filter(&before)
		f.Pool = nil
		for _, k := range plan.Make {
			w.Made++
			f.Pool = append(f.Pool, Candidate{ID: fmt.Sprintf("%s%d", k.Role, w.Made), Role: k.Role, Algorithm: k.Algorithm, Bits: k.Bits})
		}
		w.publish(&f)
		if !plan.Changed && f.Pool == nil {
			return
		}
	}
	panic("the walk does not come to rest")
}

// publish adds what is served now to what caches can hold.
func (w *place) publish(f *Facts) {
	add := func(list *[]string, set string) {
		if !slices.Contains(*list, set) {
			*list = append(*list, set)
			slices.Sort(*list)
		}
	}
	add(&w.DS, strings.Join(w.Set.Delegated(), " "))
	add(&w.Keys, strings.Join(w.Set.Published(), " ")+"/"+strings.Join(w.Set.DNSKEYSigners(), " "))
	signers := w.Set.ZoneSigners()
	add(&w.Sigs, strings.Join(signers, " "))
	if !slices.Equal(signers, w.Signed) {
		w.Signed, f.Complete = signers, time.Time{}
		if len(signers) == 0 || w.Set.Urgent {
			f.Complete = f.Served
		}
	}
	w.Set.Urgent = false
}

// filter drops the sets that no cache holds any more, since a record settled.
func (w *place) filter(before *KeySet) {
	for i := range before.Keys {
		old := &before.Keys[i]
		k := w.Set.Key(old.ID)
		for r := range records {
			now := Hidden
			if k != nil {
				now = k.state(r)
			}
			list := map[Record]*[]string{DNSKEY: &w.Keys, KRRSIG: &w.Keys, ZRRSIG: &w.Sigs, DS: &w.DS}[r]
			has := func(set string) bool {
				published, signing, two := strings.Cut(set, "/")
				if two && r == KRRSIG {
					published = signing
				}
				return slices.Contains(strings.Fields(published), old.ID)
			}
			switch {
			case old.state(r) == Rumoured && now == Omnipresent:
				*list = slices.DeleteFunc(*list, func(s string) bool { return !has(s) })
			case old.state(r) == Unretentive && now == Hidden:
				*list = slices.DeleteFunc(*list, has)
			}
		}
	}
}

// fault returns a mix of what caches can hold that does not validate.
func (w *place) fault() string {
	secure := slices.ContainsFunc(w.DS, func(d string) bool { return d != "" })
	if w.Secure && !w.P.Leaving && slices.Contains(w.DS, "") {
		return "the zone has become insecure"
	}
	w.Secure = secure && !slices.Contains(w.DS, "")
	if keys := strings.Join(w.Set.Published(), " "); w.Set.Signed() {
		whole := false
		for a := range w.algorithms(keys) {
			whole = whole || w.common(a, keys, strings.Join(w.Set.DNSKEYSigners(), " ")) && w.common(a, keys, strings.Join(w.Set.ZoneSigners(), " "))
		}
		if !whole {
			return "a version that nobody can make"
		}
	}
	for _, keys := range w.Keys {
		published, signing, _ := strings.Cut(keys, "/")
		for _, ds := range w.DS {
			for a := range w.algorithms(ds) {
				if !w.common(a, ds, published, signing) {
					return fmt.Sprintf("DS %q with DNSKEY %q", ds, keys)
				}
			}
		}
		for a := range w.algorithms(published) {
			if !secure {
				break
			}
			if !w.common(a, published, signing) {
				return fmt.Sprintf("DNSKEY %q is not signed by its algorithm %s", keys, a)
			}
			for _, sig := range w.Sigs {
				if !w.common(a, published, sig) {
					return fmt.Sprintf("DNSKEY %q with signatures by %q", keys, sig)
				}
			}
		}
	}
	return ""
}

// algorithms returns those of the keys in a set.
func (w *place) algorithms(set string) map[policy.Algorithm]bool {
	all := map[policy.Algorithm]bool{}
	for _, id := range strings.Fields(set) {
		all[w.Set.Key(id).Algorithm] = true
	}
	return all
}

// common reports whether a key of an algorithm is in all sets.
func (w *place) common(a policy.Algorithm, sets ...string) bool {
	return slices.ContainsFunc(strings.Fields(sets[0]), func(id string) bool {
		return w.Set.Key(id).Algorithm == a && !slices.ContainsFunc(sets[1:], func(s string) bool {
			return !slices.Contains(strings.Fields(s), id)
		})
	})
}

// next returns the places that can follow.
func (w *place) next(off string) (list []place) {
	busy := slices.ContainsFunc(w.Set.Keys, func(k Key) bool { return k.state(ZRRSIG) == Rumoured || k.state(ZRRSIG) == Unretentive })
	long := walkNow.Add(-longAgo)
	complete := long
	if busy {
		complete = time.Time{}
	}
	for _, due := range w.holds() {
		n := w.clone()
		at := complete
		for _, c := range due {
			k := n.Set.Key(c.key)
			k.Records[c.record].Since = long
			switch {
			case c.record == ZRRSIG:
				at = long
			case c.record == DS && c.to == Omnipresent:
				k.DSSeen = long
			case c.record == DS:
				k.DSGone = long
			}
		}
		n.act(off, at, false)
		list = append(list, n)
	}
	for _, change := range w.orders() {
		n := w.clone()
		change(&n)
		n.act(off, complete, false)
		list = append(list, n)
	}
	return list
}

// holds returns what could be over next. What was moved together is over
// together; of signatures that move the new ones may be known first, and of DS
// the parent and its caches say which.
func (w *place) holds() (list [][]change) {
	groups := map[string][]change{}
	for i := range w.Set.Keys {
		k := &w.Set.Keys[i]
		for r := range records {
			s := k.Records[r]
			c := change{k.ID, r, Omnipresent}
			if s.State == Unretentive {
				c.to = Hidden
			}
			if s.State != Rumoured && s.State != Unretentive {
				continue
			}
			kind := r
			if r == KRRSIG {
				kind = DNSKEY
			}
			names := []string{fmt.Sprint("all ", kind, s.Since)}
			if r == DS {
				names = append(names, "DS "+k.ID)
			}
			if r == ZRRSIG && c.to == Omnipresent {
				names = append(names, fmt.Sprint("new ", s.Since))
			}
			for _, name := range names {
				groups[name] = append(groups[name], c)
			}
		}
	}
	for _, g := range groups {
		list = append(list, g)
	}
	return list
}

// orders returns what operators can do.
func (w *place) orders() (list []func(*place)) {
	if len(w.Set.Keys) > w.P.Keys {
		return nil
	}
	add := func(allowed bool, order func(*place)) {
		if allowed {
			list = append(list, order)
		}
	}
	add(w.P.Algorithms, func(n *place) { n.P.Ed25519 = !n.P.Ed25519 })
	add(w.P.Schemes, func(n *place) { n.P.CSK = !n.P.CSK })
	add(w.P.Leaving, func(n *place) { n.P.Insecure = !n.P.Insecure })
	urgent := slices.ContainsFunc(w.Set.Keys, func(k Key) bool { return k.Emergency })
	for _, r := range w.P.policy().Roles() {
		for _, emergency := range []bool{false, true} {
			add(len(w.Set.Requests) == 0 && (w.P.Emergencies && emergency && !urgent || w.P.Rolls && !emergency), func(n *place) {
				n.Set.Requests = []Request{{Role: r, Emergency: emergency, At: walkNow}}
			})
		}
	}
	if w.P.Single {
		list = append(list, w.singles()...)
	}
	return list
}

// singles returns what operators can do with one key.
func (w *place) singles() (list []func(*place)) {
	o := Order{At: walkNow.Add(w.Ticks), Policy: w.P.policy()}
	for i := range w.Set.Keys {
		id := w.Set.Keys[i].ID
		for _, order := range []func(*KeySet) (Entry, error){
			func(s *KeySet) (Entry, error) { return s.DNSKEYOnly(o, id, true) },
			func(s *KeySet) (Entry, error) { return s.DNSKEYOnly(o, id, false) },
			func(s *KeySet) (Entry, error) { return s.ScheduleDeletion(o, id, o.At) },
			func(s *KeySet) (Entry, error) { return s.Remove(o, id) },
		} {
			tried := w.Set.Clone()
			if e, err := order(&tried); err == nil && !e.Unchanged {
				list = append(list, func(n *place) { n.Set = tried.Clone() })
			}
		}
	}
	return list
}

// key names a place so that equal ones have one name: keys by their order,
// moments by theirs.
func (w *place) key() string {
	var moments []time.Time
	for i := range w.Set.Keys {
		for _, s := range w.Set.Keys[i].Records {
			if s.State == Rumoured || s.State == Unretentive {
				moments = append(moments, s.Since)
			}
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	var b strings.Builder
	fmt.Fprint(&b, w.P, w.Set.Requests, w.Secure)
	names := map[string]string{}
	for i := range w.Set.Keys {
		k := &w.Set.Keys[i]
		names[k.ID] = string(rune('a' + i))
		fmt.Fprintf(&b, "\n%s%d%t%t%t%t%t%t", k.Role, k.Algorithm, k.Active.IsZero(), k.Retire.IsZero(), k.Retired.IsZero(), k.Removed.IsZero(), k.Revoked.IsZero(), k.Emergency)
		for _, s := range k.Records {
			n, _ := slices.BinarySearchFunc(moments, s.Since, time.Time.Compare)
			if s.State == Hidden || s.State == Omnipresent {
				n = 0
			}
			fmt.Fprintf(&b, " %d%d%d", s.State, s.Goal, n)
		}
	}
	for _, list := range [][]string{w.DS, w.Keys, w.Sigs, w.Signed} {
		var sets []string
		for _, set := range list {
			var short string
			for _, word := range strings.Fields(strings.ReplaceAll(set, "/", " / ")) {
				short += names[word] + "/"
			}
			sets = append(sets, short)
		}
		slices.Sort(sets)
		fmt.Fprint(&b, sets)
	}
	return b.String()
}

// walk goes everywhere from a zone without keys, and returns how many places
// there are, or the first fault.
func walk(off string, p flip) (places int, fault string) {
	first := place{P: p, DS: []string{""}, Keys: []string{"/"}, Sigs: []string{""}}
	first.act(off, time.Time{}, false)
	todo := []place{first}
	seen := map[string]bool{first.key(): true}
	for len(todo) > 0 {
		w := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if text := w.fault(); text != "" {
			return len(seen), text + fmt.Sprintf("\n%+v", w)
		}
		for _, n := range w.next(off) {
			if k := n.key(); !seen[k] {
				seen[k] = true
				todo = append(todo, n)
			}
		}
		if len(seen) > walkStates {
			return len(seen), endless
		}
	}
	return len(seen), ""
}
