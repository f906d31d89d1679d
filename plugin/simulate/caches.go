package simulate

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// The model of caches. Resolvers take what a server hands out, at any moment
// and from any server, and keep it for as long as its TTL allows. So at an
// instant some cache may hold whatever any server handed out until a TTL ago.
// Of each kind of data any one such set may be in a cache beside any one of the
// other kinds: the DS set, the DNSKEY set with its signatures, and a set of the
// zone with its signatures. Nothing here knows what the signer intends.

// cachedKey is a key as resolvers know it.
type cachedKey struct {
	name      string
	tag       uint16
	algorithm policy.Algorithm
}

// content is what one set holds that matters to a validator. Keys are indexes
// into caches.keys, ascending.
type content struct {
	keys    []int // DNSKEY set: the keys in it; DS set: those that it names
	revoked []int // DNSKEY set: those of its keys that have the revoke bit (RFC 5011 section 2.1)
	signers []int // DNSKEY set, or any other set of the zone: the keys of its signatures
}

// shelf is the sets of one kind that are handed out or cached. The same set
// has the same number for good.
type shelf struct {
	sets    []content
	numbers map[string]int
	servers [][]served // what each server hands out now
	entries []entry
}

// served is a set that a server hands out.
type served struct {
	set int
	ttl time.Duration
}

// entry is a set that some cache may hold.
type entry struct {
	set   int
	open  int       // how many servers hand it out
	until time.Time // no cache has it after that, unless it is handed out
}

func newShelf(servers int) *shelf {
	return &shelf{numbers: map[string]int{}, servers: make([][]served, servers)}
}

// number returns the number of a set.
func (s *shelf) number(c content) int {
	var b strings.Builder
	for _, list := range [][]int{c.keys, c.revoked, c.signers} {
		for _, n := range list {
			b.WriteString(strconv.Itoa(n))
			b.WriteByte(' ')
		}
		b.WriteByte('|')
	}
	n, ok := s.numbers[b.String()]
	if !ok {
		n = len(s.sets)
		s.sets = append(s.sets, c)
		s.numbers[b.String()] = n
	}
	return n
}

// serve has a server hand out these sets in place of what it handed out before.
// Servers that stand behind it unseen, such as secondaries and other sites of
// an anycast address, follow up to lag later. It reports whether a set is now
// about that was not.
func (s *shelf) serve(server int, now time.Time, lag time.Duration, ttl uint32, contents ...content) bool {
	for _, old := range s.servers[server] {
		e := s.entry(old.set)
		e.open--
		if until := now.Add(lag + old.ttl); until.After(e.until) {
			e.until = until
		}
	}
	s.entries = slices.DeleteFunc(s.entries, func(e entry) bool { return e.open == 0 && !e.until.After(now) })
	s.servers[server] = s.servers[server][:0]
	fresh := false
	for _, c := range contents {
		n := s.number(c)
		s.servers[server] = append(s.servers[server], served{n, time.Duration(ttl) * time.Second})
		e := s.entry(n)
		if e == nil {
			fresh = true
			s.entries = append(s.entries, entry{set: n})
			e = &s.entries[len(s.entries)-1]
		}
		e.open++
	}
	return fresh
}

func (s *shelf) entry(set int) *entry {
	for i := range s.entries {
		if s.entries[i].set == set {
			return &s.entries[i]
		}
	}
	return nil
}

// about calls f with every set that some cache may hold at a moment.
func (s *shelf) about(now time.Time, f func(set int)) {
	for _, e := range s.entries {
		if e.open > 0 || e.until.After(now) {
			f(e.set)
		}
	}
}

// caches is all that resolvers may hold of a zone, and of its delegation.
type caches struct {
	keys   []cachedKey
	ids    map[string]int
	ds     *shelf // a server of it is one of the parent's
	dnskey *shelf
	zone   *shelf // sets of the zone, by their signers; a server hands out several

	secured  bool              // every server of the parent has DS, and the zone is not on its way out
	verdicts map[[3]int]string // of a pair: kind, set, set
	told     map[string]bool   // mixes that were reported and are still about
}

func newCaches(processes, parents int) *caches {
	return &caches{
		ids: map[string]int{},
		ds:  newShelf(parents), dnskey: newShelf(processes), zone: newShelf(processes),
		verdicts: map[[3]int]string{}, told: map[string]bool{},
	}
}

// know gives a key an index, once.
func (c *caches) know(id, name string, tag uint16, algorithm policy.Algorithm) {
	if _, ok := c.ids[id]; !ok {
		c.ids[id] = len(c.keys)
		c.keys = append(c.keys, cachedKey{name, tag, algorithm})
	}
}

// indexes returns the indexes of keys that are known, ascending.
func (c *caches) indexes(ids []string) []int {
	list := make([]int, 0, len(ids))
	for _, id := range ids {
		if n, ok := c.ids[id]; ok {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
