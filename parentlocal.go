package autosign

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// With `parent local` the parent is a zone of this same server. It takes the DS
// of its child directly: over its own records are laid those that the child's
// key set wants, and what the child sees at its parent is what the parent
// serves. The order is that of any other parent: the child's state is stored,
// then the parent publishes, then the child waits for caches.

// localDS is the DS set that a parent of this process is to have for a zone.
type localDS struct {
	ttl   uint32 // seconds
	rdata [][]byte
	leave bool // nothing was asked for yet: what stands in the parent's own records is left as it is
}

func (d *localDS) equal(o *localDS) bool {
	return d != nil && o != nil && d.ttl == o.ttl && d.leave == o.leave && slices.EqualFunc(d.rdata, o.rdata, slices.Equal)
}

// errNoLocalParent says that `parent local` cannot be.
var errNoLocalParent = errors.New("parent local: no zone above is signed by this server")

// kin is the zones of an instance by their origins.
type kin struct {
	zones    int // of the instance, when this was made
	byOrigin map[string][]*signer
	children map[*signer][]*signer // zones below a parent that want their DS in it directly
}

// relations returns the kin of the instance.
func (i *instance) relations() *kin {
	process.mu.Lock()
	defer process.mu.Unlock()
	if i.kin != nil && i.kin.zones == len(i.signers) {
		return i.kin
	}
	k := &kin{zones: len(i.signers), byOrigin: map[string][]*signer{}, children: map[*signer][]*signer{}}
	for _, s := range i.signers {
		k.byOrigin[string(s.origin)] = append(k.byOrigin[string(s.origin)], s)
	}
	for _, c := range i.signers {
		if c.policy.ParentLocal {
			for _, p := range k.parents(c) {
				k.children[p] = append(k.children[p], c)
			}
		}
	}
	i.kin = k
	return k
}

// parents returns the zones that hold the delegation of a child: the nearest
// zone above it, in the child's view, or else without one; of a child in no
// view in every view that there is.
func (k *kin) parents(child *signer) (list []*signer) {
	for off := 0; child.origin[off] != 0 && len(list) == 0; {
		off += int(child.origin[off]) + 1
		for _, s := range k.byOrigin[string(child.origin[off:])] {
			if child.view == "" || s.view == "" || s.view == child.view {
				list = append(list, s)
			}
		}
	}
	if i := slices.IndexFunc(list, func(s *signer) bool { return s.view == child.view }); child.view != "" && i >= 0 {
		return list[i : i+1]
	}
	slices.SortFunc(list, func(a, b *signer) int { return strings.Compare(a.view, b.view) })
	return list
}

// withChildren lays the DS sets of children over a parent's records.
func (s *signer) withChildren(z *zone.Zone) *zone.Zone {
	var sets []zone.DSSet
	for _, c := range s.children() {
		set, ok := s.childSet(z, c)
		if !ok || slices.ContainsFunc(sets, func(o zone.DSSet) bool { return string(o.Key) == string(set.Key) }) {
			continue // views of a child want the same
		}
		if _, err := z.WithDS([]zone.DSSet{set}); err != nil {
			s.warnOnce(fmt.Sprintf("zone %s has parent local, but %v: add its NS records here", c.label(), err))
			continue
		}
		sets = append(sets, set)
	}
	if len(sets) == 0 {
		return z
	}
	next, err := z.WithDS(sets)
	if err != nil { // no two of them are of one delegation, and each was tried alone
		s.warnOnce(err.Error())
		return z
	}
	return next
}

// children returns the zones that want their DS in this one directly.
func (s *signer) children() []*signer {
	if s.inst == nil {
		return nil
	}
	return s.inst.relations().children[s]
}

// childSet returns the DS set that is to stand for a child. Until the child has
// said what it wants, that is what was published last.
func (s *signer) childSet(z *zone.Zone, c *signer) (set zone.DSSet, ok bool) {
	relative, ok := z.Key(nil, c.origin)
	if !ok {
		return set, false
	}
	set.Key = relative
	if want := c.wanted.Load(); want != nil {
		set.TTL, set.RData = want.ttl, want.rdata
		return set, !want.leave
	}
	var last *zone.Zone
	if v := s.served.Load(); v != nil {
		last = v.content
	} else if good := s.lastGood(); good != nil {
		last = good.Zone
	}
	if last == nil {
		return set, false
	}
	set.TTL, set.RData, ok = dsAt(last, c.origin)
	return set, ok
}

// dsAt returns the DS set of a child in a zone; ok is false where the zone has
// no delegation for it.
func dsAt(z *zone.Zone, origin []byte) (ttl uint32, rdata [][]byte, ok bool) {
	relative, in := z.Key(nil, origin)
	if !in {
		return 0, nil, false
	}
	p, exact := z.Find(relative)
	if !exact || z.At(p).Flags(p.Name)&zone.Cut == 0 {
		return 0, nil, false
	}
	b := z.At(p)
	from, to := b.Sets(p.Name)
	for j := from; j < to; j++ {
		if set := b.Set(j); set.Type == zone.TypeDS {
			for rd := range set.RData {
				rdata = append(rdata, slices.Clone(rd))
			}
			return set.TTL, rdata, true
		}
	}
	return 0, nil, true
}

// want says what the zone's parents in this process are to have, and has them
// publish it if that is new. The key set is stored.
func (s *signer) want(set *rollover.KeySet, w wish, keys map[string]key.Key) {
	if !s.policy.ParentLocal || s.inst == nil || w.waits != "" {
		return
	}
	asked := slices.ContainsFunc(set.Keys, func(k rollover.Key) bool { return k.Status(rollover.DS).State != rollover.Hidden })
	d := &localDS{ttl: uint32(s.policy.DSTTL / time.Second), leave: !asked && set.Signed()}
	for _, k := range w.keys {
		rdata, err := keys[k.ID].DS(s.origin, key.SHA256)
		if _, ok := keys[k.ID]; !ok || err != nil {
			return // the key cannot be read now: the parent keeps what it has
		}
		d.rdata = append(d.rdata, rdata)
	}
	if s.wanted.Load().equal(d) {
		return
	}
	s.wanted.Store(d)
	for _, p := range s.inst.relations().parents(s) {
		p.loop.ask(p)
	}
}

// ownerOf returns the ID of the key that a DS is of; empty: of none.
func ownerOf(d parent.DS, keys map[string]key.Key, origin []byte) string {
	for id, k := range keys {
		if isDSOf(d, k, origin) {
			return id
		}
	}
	return ""
}

// localObservation is what the zone's parents in this process serve.
func (s *signer) localObservation(keys map[string]key.Key, now time.Time) (o rollover.Observation, err error) {
	parents := s.inst.relations().parents(s)
	if len(parents) == 0 {
		return o, errNoLocalParent
	}
	o = rollover.Observation{At: now, Zone: parents[0].zone}
	for _, p := range parents {
		out := rollover.Server{Name: p.label() + " in this server"}
		look, ttl, err := p.delegationOf(s)
		if err != nil {
			out.Err = err.Error()
		}
		o.TTL = max(o.TTL, ttl)
		for _, d := range look {
			if id := ownerOf(d, keys, s.origin); id == "" {
				o.Unknown = append(o.Unknown, d.KeyTag)
			} else {
				out.Keys = append(out.Keys, id)
			}
		}
		slices.Sort(out.Keys)
		out.Keys = slices.Compact(out.Keys)
		o.Servers = append(o.Servers, out)
	}
	return o, nil
}

// delegationOf returns the DS records that a parent serves for a child.
func (s *signer) delegationOf(child *signer) (list []parent.DS, ttl uint32, err error) {
	v := s.served.Load()
	if v == nil {
		return nil, 0, errors.New("it is not signed yet")
	}
	ttl, rdata, ok := dsAt(v.signed.Zone, child.origin)
	if !ok {
		return nil, 0, fmt.Errorf("it has no delegation of %s: add its NS records", child.zone)
	}
	for _, rd := range rdata {
		if len(rd) > 4 {
			list = append(list, parent.DS{KeyTag: uint16(rd[0])<<8 | uint16(rd[1]), Algorithm: rd[2], DigestType: rd[3], Digest: rd[4:], TTL: ttl})
		}
	}
	return list, ttl, nil
}

// tellChildren has the children work whose DS in what is served has changed.
func (s *signer) tellChildren(before, now *version) {
	for _, c := range s.children() {
		ttl, rdata, ok := dsAt(now.signed.Zone, c.origin)
		same := before != nil
		if same {
			t, r, had := dsAt(before.signed.Zone, c.origin)
			same = had == ok && (&localDS{ttl: t, rdata: r}).equal(&localDS{ttl: ttl, rdata: rdata})
		}
		if !same {
			c.loop.ask(c)
		}
	}
}

// localSight is watch.sight for a zone whose parent is in this process.
func (s *signer) localSight(keys map[string]key.Key, now time.Time) (v sighting) {
	o, err := s.localObservation(keys, now)
	if err == nil {
		s.localFault = ""
		v.seen = o
		if s.localWaits != "" {
			v.seen.Next = s.localNext
		}
		return v
	}
	v.unsure = err.Error()
	if v.unsure != s.localFault {
		s.localFault = v.unsure
		s.tell(event.Event{Kind: event.ParentUnclear, Err: err})
	}
	return v
}

// localSaid is what the zone's parents in this process say about DS records
// before the first keys are made.
func (s *signer) localSaid() (said delegation) {
	parents := s.inst.relations().parents(s)
	if len(parents) == 0 {
		return delegation{err: errNoLocalParent}
	}
	for _, p := range parents {
		list, _, err := p.delegationOf(s)
		if err != nil {
			return delegation{err: fmt.Errorf("%s: %w", p.label(), err)}
		}
		said.ds = append(said.ds, list...)
	}
	return said
}
