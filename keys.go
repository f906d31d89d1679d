package autosign

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/metrics"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/sign"
	"github.com/autosign-dns/autosign/plugin/state"
)

// ring is a zone's keys, ready for a pass: what the state document names, with
// the signers that the key store opened.
type ring struct {
	keys    []sign.Key
	ids     []string // of keys, in the same order
	gens    []sign.Generation
	zskOnly bool
	next    time.Time // when a key is to do something else; zero: never
}

// announced returns the DNSKEY RDATA of keys that sign without being in the
// DNSKEY set.
func (r *ring) announced() (list [][]byte) {
	for _, k := range r.keys {
		if !k.Published {
			list = append(list, k.DNSKEY)
		}
	}
	return list
}

// keyBox is the key store as one zone sees it, with the signers that are open.
type keyBox struct {
	store keystore.Keystore
	zone  string
	open  map[string]crypto.Signer // by public digest
}

// list returns the zone's keys, with roles that fit the scheme.
func (b *keyBox) list(ctx context.Context, scheme policy.Scheme) ([]keystore.Entry, error) {
	entries, err := b.store.List(ctx, b.zone)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys := make([]key.Key, 0, len(entries))
	for _, e := range entries {
		if e.Err == nil {
			keys = append(keys, e.Key)
		}
	}
	key.ResolveRoles(keys, scheme)
	for i := range entries {
		if entries[i].Err == nil {
			entries[i].Key, keys = keys[0], keys[1:]
		}
		if yes(entries[i].State, "KSK") && yes(entries[i].State, "ZSK") {
			entries[i].Key.Role = policy.CSK
		}
	}
	return entries, nil
}

func yes(state map[string]string, line string) bool { return strings.EqualFold(state[line], "yes") }

// signer opens a key; what is open stays open.
func (b *keyBox) signer(ctx context.Context, id, digest string) (crypto.Signer, error) {
	if s := b.open[digest]; s != nil {
		return s, nil
	}
	s, err := b.store.Open(ctx, b.zone, id)
	if err != nil {
		return nil, err
	}
	if b.open == nil {
		b.open = map[string]crypto.Signer{}
	}
	b.open[digest] = s
	return s, nil
}

// find returns the entry of a stored key, or why it cannot be used.
func find(entries []keystore.Entry, k *state.Key) (keystore.Entry, error) {
	i := slices.IndexFunc(entries, func(e keystore.Entry) bool { return e.ID == k.ID })
	switch {
	case i < 0:
		return keystore.Entry{}, fmt.Errorf("key %s: %w: the state names it, but it is not in the key store; "+
			"was another volume mounted, or the file removed?", k.ID, keystore.ErrNotExist)
	case entries[i].Err != nil:
		return keystore.Entry{}, fmt.Errorf("key %s: %w", k.ID, entries[i].Err)
	case entries[i].Key.PublicDigest() != k.PublicDigest:
		return keystore.Entry{}, fmt.Errorf("key %s: the key store has another key of that name than the state; "+
			"it is not used", k.ID)
	}
	return entries[i], nil
}

// build makes the ring of a document at a moment. The stored generations are
// followed; keys that are in none of them and not published are left out.
func (b *keyBox) build(ctx context.Context, doc *state.Document, entries []keystore.Entry, m moment) (*ring, error) {
	r := &ring{zskOnly: true}
	at := map[string]int{}
	uses := usesOf(doc, m.keys)
	var errs []error
	for i := range doc.Keys {
		k := &doc.Keys[i]
		u := uses[k.ID]
		r.next = sooner(r.next, u.next)
		signs := signsIn(doc, k.ID)
		if !u.published && !signs {
			continue
		}
		e, err := find(entries, k)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if e.Key.Role, err = policy.ParseRole(k.Role); err != nil {
			errs = append(errs, fmt.Errorf("key %s: %w", k.ID, err))
			continue
		}
		var signer crypto.Signer
		if signs {
			if signer, err = b.signer(ctx, k.ID, k.PublicDigest); err != nil {
				errs = append(errs, fmt.Errorf("key %s: %w", k.ID, err))
				continue
			}
		}
		at[k.ID] = len(r.keys)
		r.keys = append(r.keys, sign.NewKey(e.Key, u.published, signer))
		r.ids = append(r.ids, k.ID)
		r.zskOnly = r.zskOnly && !e.Key.Role.SignsDNSKEY()
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for _, g := range doc.Generations {
		r.gens = append(r.gens, sign.Generation{
			Since:          g.Since,
			Validity:       time.Duration(g.Validity),
			ValidityDNSKEY: time.Duration(g.ValidityDNSKEY),
			Refresh:        time.Duration(g.Refresh),
			DNSKEYSigners:  indexes(at, g.KSKs),
			ZoneSigners:    indexes(at, g.ZSKs),
		})
	}
	return r, nil
}

func indexes(at map[string]int, ids []string) (list []int) {
	for _, id := range ids {
		if n, ok := at[id]; ok {
			list = append(list, n)
		}
	}
	return list
}

// digestOf is what a key is known by: key.Key.PublicDigest of its DNSKEY RDATA.
func digestOf(dnskey []byte) string {
	sum := sha256.Sum256(dnskey)
	return hex.EncodeToString(sum[:])
}

// sooner returns the earlier of two moments, where zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// keyRing brings the document's keys to the moment and makes the ring: keys do
// what their times say, the policy is noted, a new generation begins when other
// keys sign or signatures live otherwise. All of it is stored before it shows.
func (s *signer) keyRing(ctx context.Context, doc *state.Document, m moment) (*state.Document, *ring, error) {
	entries, err := s.box.list(ctx, s.policy.Scheme)
	if err != nil {
		return nil, nil, err
	}
	before := doc
	turned := turn(clone(doc), s.policy, m)
	if turned {
		doc, err = s.docs.change(ctx, func(d *state.Document) error {
			before = clone(d)
			if !turn(d, s.policy, m) {
				return errUnchanged
			}
			d.See(m.keys)
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	r, err := s.box.build(ctx, doc, entries, m)
	if err != nil && len(doc.Generations) > 1 {
		// Without a key that only the older generation needs, everything moves
		// to the newer one at once.
		doc = clone(doc)
		doc.Generations = doc.Generations[1:]
		var alone error
		if r, alone = s.box.build(ctx, doc, entries, m); alone == nil {
			s.tell(event.Event{Kind: event.Warned, Why: "all signatures are made anew, since a key that made the old ones " +
				"cannot be used: " + err.Error()})
			err = nil
		}
	}
	if err != nil {
		s.tell(event.Event{Kind: event.KeyUnusable, Err: err, Reason: "keystore"})
		return nil, nil, err
	}
	s.tellMoves(before, doc, m)
	s.countKeys(doc, m)
	return doc, r, nil
}

// tellMoves makes an event of every key that does something else than before.
func (s *signer) tellMoves(before, after *state.Document, m moment) {
	if s.uses == nil { // the first pass: nothing is known to have changed
		s.uses = usesOf(before, m.keys)
	}
	now := usesOf(after, m.keys)
	for _, k := range after.Keys {
		was, is := s.uses[k.ID].String(), now[k.ID].String()
		if _, known := s.uses[k.ID]; known && was != is {
			s.tell(event.Event{Kind: event.KeyMoved, Key: k.ID, Record: k.Role, From: was, To: is,
				Why: "its time has come", Next: now[k.ID].next})
		}
	}
	s.uses = now
}

// countKeys sets the gauges of keys by role and state.
func (s *signer) countKeys(doc *state.Document, m moment) {
	count := map[metrics.KeyCount]int{}
	uses := usesOf(doc, m.keys)
	for _, k := range doc.Keys {
		count[metrics.KeyCount{Role: strings.ToLower(k.Role), State: uses[k.ID].String()}]++
	}
	var list []metrics.KeyCount
	for c, n := range count {
		c.N = n
		list = append(list, c)
	}
	metrics.Keys(s.zone, s.view, list)
}

// clone returns a copy of a document that can be changed by itself.
func clone(d *state.Document) *state.Document {
	c := *d
	c.Keys = slices.Clone(d.Keys)
	c.Generations = slices.Clone(d.Generations)
	c.UsedTags = slices.Clone(d.UsedTags)
	c.Claims = slices.Clone(d.Claims)
	return &c
}
