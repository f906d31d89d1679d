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
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/sign"
	"github.com/autosign-dns/autosign/plugin/state"
)

// ring is a zone's keys, ready for a pass: what the key set says, with the
// signers that the key store opened.
type ring struct {
	keys          []sign.Key
	ids           []string // of keys, in the same order
	gens          []sign.Generation
	dnskeySigners []int // in keys
	cds, cdnskey  [][]byte
	theirs        [][]byte // DNSKEY RDATA of keys of other views that these name
	zskOnly       bool
	unsigned      bool   // the zone has left DNSSEC: there are no keys
	shape         string // of the document that it was made of
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
	known []keystore.Entry         // what was listed last
	away  error                    // why the key store could not be asked this time

	others otherViews // the zone's other views, which have the key store in common
}

// list returns the zone's keys, with roles that fit the scheme. While the key
// store is out of reach the keys are those of before: with the signers that are
// open signatures are kept fresh (P7).
func (b *keyBox) list(ctx context.Context, scheme policy.Scheme) ([]keystore.Entry, error) {
	entries, err := b.store.List(ctx, b.zone)
	if b.away = err; err != nil && (b.known == nil || ctx.Err() != nil) {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err != nil {
		return b.known, nil
	}
	b.known = entries
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
func find(entries []keystore.Entry, k *rollover.Key) (keystore.Entry, error) {
	i := slices.IndexFunc(entries, func(e keystore.Entry) bool { return e.ID == k.ID })
	switch {
	case i < 0:
		return keystore.Entry{}, fmt.Errorf("key %s: %w: the state names it, but it is not in the key store; "+
			"was another volume mounted, or the file removed?", k.ID, keystore.ErrNotExist)
	case entries[i].Err != nil:
		return keystore.Entry{}, fmt.Errorf("key %s: %w", k.ID, entries[i].Err)
	case plain(entries[i].Key).PublicDigest() != k.PublicDigest:
		return keystore.Entry{}, fmt.Errorf("key %s: the key store has another key of that name than the state; "+
			"it is not used", k.ID)
	}
	return entries[i], nil
}

// plain returns a key as it is without the revoke bit: what it is known by.
func plain(k key.Key) key.Key {
	if k.Flags&key.FlagRevoke != 0 {
		k.Flags &^= key.FlagRevoke
		k.Tag = key.Tag(k.DNSKEY())
	}
	return k
}

// build makes the ring of a document. The stored generations are followed; keys
// that neither sign nor are published are left out.
func (b *keyBox) build(ctx context.Context, doc *state.Document, p policy.Policy, origin []byte, entries []keystore.Entry) (*ring, error) {
	r := &ring{zskOnly: zskOnly(doc), unsigned: !doc.KeySet.Signed(), shape: shapeOf(doc)}
	if r.unsigned {
		r.zskOnly = false
		return r, nil
	}
	at := map[string]int{}
	var errs []error
	for i := range doc.KeySet.Keys {
		k := &doc.KeySet.Keys[i]
		published, signs := k.Status(rollover.DNSKEY).State.Shown(), signsIn(doc, k)
		if !published && !signs {
			continue
		}
		made, err := b.ready(ctx, k, entries, published, signs)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		at[k.ID] = len(r.keys)
		r.keys = append(r.keys, made)
		r.ids = append(r.ids, k.ID)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	r.dnskeySigners = indexes(at, ours(&doc.KeySet, doc.KeySet.DNSKEYSigners()))
	for _, g := range doc.Generations {
		r.gens = append(r.gens, sign.Generation{
			Since:          g.Since,
			Validity:       time.Duration(g.Validity),
			ValidityDNSKEY: time.Duration(g.ValidityDNSKEY),
			Refresh:        time.Duration(g.Refresh),
			ZoneSigners:    indexes(at, g.ZSKs),
		})
	}
	if p.CDS && !p.NoParent && !r.zskOnly {
		return r, r.request(b.others.wish(&doc.KeySet), &doc.KeySet, origin, entries)
	}
	return r, nil
}

// ready makes one key of the ring, revoked where it revokes itself (RFC 5011
// section 2.1).
func (b *keyBox) ready(ctx context.Context, k *rollover.Key, entries []keystore.Entry, published, signs bool) (sign.Key, error) {
	e, err := find(entries, k)
	if err != nil {
		return sign.Key{}, err
	}
	public := plain(e.Key)
	public.Role = k.Role
	if !k.Revoked.IsZero() {
		public = public.Revoked()
	}
	var signer crypto.Signer
	if signs {
		if signer, err = b.signer(ctx, k.ID, k.PublicDigest); err != nil {
			return sign.Key{}, fmt.Errorf("key %s: %w", k.ID, err)
		}
	}
	return sign.NewKey(public, published, signer), nil
}

// signsIn reports whether a key makes signatures: over the DNSKEY set, or in a
// generation that lives.
func signsIn(doc *state.Document, k *rollover.Key) bool {
	return !k.Foreign && (k.Status(rollover.KRRSIG).State.Shown() ||
		slices.ContainsFunc(doc.Generations, func(g state.Generation) bool { return slices.Contains(g.ZSKs, k.ID) }))
}

// ours leaves out of a list of IDs the keys whose private part is elsewhere.
func ours(s *rollover.KeySet, ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return s.Key(id).Foreign })
}

// request puts the records into the ring that tell the parent which DS to have
// (RFC 7344 section 3), or that it is to have none (RFC 8078 section 4).
func (r *ring) request(w wish, own *rollover.KeySet, origin []byte, entries []keystore.Entry) error {
	if w.remove {
		r.cds, r.cdnskey = [][]byte{key.DeleteCDS()}, [][]byte{key.DeleteCDNSKEY()}
		return nil
	}
	for _, k := range w.keys {
		e, err := find(entries, &k)
		if err != nil && !slices.Contains(own.Delegated(), k.ID) {
			r.cds, r.cdnskey, r.theirs = nil, nil, nil // another view's: nothing is asked for without it
			return nil
		}
		if err != nil {
			return err
		}
		public := plain(e.Key)
		cds, err := public.CDS(origin, key.SHA256)
		if err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
		r.cds, r.cdnskey = append(r.cds, cds), append(r.cdnskey, public.CDNSKEY())
		if !slices.Contains(own.Published(), k.ID) {
			r.theirs = append(r.theirs, public.DNSKEY())
		}
	}
	return nil
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

// ring makes the ring of the document.
func (s *signer) ring(ctx context.Context, doc *state.Document, entries []keystore.Entry) (*ring, error) {
	r, err := s.box.build(ctx, doc, s.effective, s.origin, entries)
	if err != nil && len(doc.Generations) > 1 {
		// Without a key that only the older generation needs, everything moves
		// to the newer one at once.
		alone := clone(doc)
		alone.Generations = alone.Generations[1:]
		if r, failed := s.box.build(ctx, alone, s.effective, s.origin, entries); failed == nil {
			s.tell(event.Event{Kind: event.Warned, Why: "all signatures are made anew, since a key that made the old ones " +
				"cannot be used: " + err.Error()})
			return r, nil
		}
	}
	if err != nil {
		s.tell(event.Event{Kind: event.KeyUnusable, Err: err, Reason: "keystore"})
	}
	return r, err
}

// countKeys sets the gauges of keys by role and state.
func (s *signer) countKeys(set *rollover.KeySet) {
	count := map[metrics.KeyCount]int{}
	for i := range set.Keys {
		k := &set.Keys[i]
		count[metrics.KeyCount{Role: strings.ToLower(k.Role.String()), State: doing(k)}]++
	}
	var list []metrics.KeyCount
	for c, n := range count {
		c.N = n
		list = append(list, c)
	}
	metrics.Keys(s.zone, s.view, list)
}

// doing says in a word what a key does.
func doing(k *rollover.Key) string {
	switch {
	case k.Status(rollover.KRRSIG).State.Shown() || k.Status(rollover.ZRRSIG).State.Shown():
		return "active"
	case k.Status(rollover.DNSKEY).State.Shown():
		return "published"
	case !k.Retired.IsZero():
		return "removed"
	}
	return "hidden"
}

// clone returns a copy of a document that can be changed by itself.
func clone(d *state.Document) *state.Document {
	c := *d
	c.KeySet = d.KeySet.Clone()
	c.Pool = slices.Clone(d.Pool)
	c.Doomed = slices.Clone(d.Doomed)
	c.Generations = slices.Clone(d.Generations)
	c.UsedTags = slices.Clone(d.UsedTags)
	c.Claims = slices.Clone(d.Claims)
	return &c
}
