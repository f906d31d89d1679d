package autosign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// parentDeadline is how long the parent is waited for before a zone's first
// keys are made.
const parentDeadline = 5 * time.Second

// asker is what the parent zone is asked through: parent.Observer.
type asker interface {
	DS(ctx context.Context, zone string) ([]parent.DS, error)
}

// delegation is what the parent said.
type delegation struct {
	ds  []parent.DS
	err error // not known
}

// askParent asks for DS records in the background, so that loading goes on.
func (s *signer) askParent(ctx context.Context) <-chan delegation {
	out := make(chan delegation, 1)
	if s.policy.NoParent {
		out <- delegation{}
		return out
	}
	if s.policy.ParentLocal && s.inst != nil {
		out <- s.localSaid()
		return out
	}
	go func() {
		ctx, cancel := context.WithTimeout(ctx, parentDeadline)
		defer cancel()
		ds, err := s.parent.DS(ctx, s.zone)
		out <- delegation{ds, err}
	}()
	return out
}

// has reports whether the parent holds a DS record of a key.
func (d delegation) has(k key.Key, origin []byte) bool {
	return slices.ContainsFunc(d.ds, func(ds parent.DS) bool {
		rd, err := k.DS(origin, ds.DigestType)
		return err == nil && ds.KeyTag == k.Tag && ds.Algorithm == uint8(k.Algorithm) && bytes.Equal(rd[4:], ds.Digest)
	})
}

// needsFirst reports whether the zone has never had keys, and it is still open
// whether it gets some. One that is to leave DNSSEC may have them elsewhere: it is
// unsigned only when it was published so.
func (s *signer) needsFirst(doc *state.Document) bool {
	return len(doc.KeySet.Keys) == 0 && len(doc.UsedTags) == 0 && !(s.policy.Insecure && doc.Published)
}

// firstKeys gives a zone without keys in its state its first ones: those at
// hand are adopted, what is missing is made if that is safe. Presigned says
// that the source brings a DNSKEY set signed elsewhere.
func (s *signer) firstKeys(ctx context.Context, old *state.Document, presigned bool, asked <-chan delegation,
	m moment) (*state.Document, error) {
	said := <-asked
	done, err := makings.wait(ctx, s.dir+" "+s.zone)
	if err != nil {
		return nil, err
	}
	defer done()
	entries, err := s.box.list(ctx, s.policy.Scheme)
	if err != nil {
		return nil, err
	}
	usable, err := s.usable(entries)
	if err != nil {
		return nil, err
	}
	found := s.adopt(usable, said, m.key)
	var roles []policy.Role
	if s.policy.Insecure {
		if sign, err := s.leaveWith(found, said, presigned, m.key); !sign || err != nil {
			return old, err
		}
	} else {
		roles = wantedRoles(found, s.policy, presigned)
	}
	if err := s.safeToMake(roles, said); err != nil {
		s.tell(event.Event{Kind: event.KeysWithheld, Err: err, Reason: "unsafe"})
		return nil, err
	}
	if err := s.checkSigners(trusted(found.keys), found.spares, roles, m.key); err != nil {
		return nil, err
	}
	made, err := s.make(ctx, roles, old, usable, m)
	if err != nil {
		return nil, err
	}
	doc, err := s.docs.change(ctx, func(d *state.Document) error {
		if !s.needsFirst(d) { // another was faster
			return errUnchanged
		}
		return s.employ(d, found, made, m)
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.box.list(ctx, s.policy.Scheme); err != nil {
		return nil, err
	}
	s.tellFirst(ctx, doc, made, found)
	return doc, nil
}

// leaveWith reports whether a zone without keys in its state that is to leave
// DNSSEC has to be signed until no DS is in any cache: whoever had it before may
// have signed it. Only where nothing can sign it and there is no DS for certain it
// is unsigned at once. No key is made for leaving.
func (s *signer) leaveWith(found adopted, said delegation, presigned bool, now time.Time) (sign bool, err error) {
	unusable := s.checkSigners(trusted(found.keys), found.spares, nil, now)
	led := presigned || len(said.ds) == 0
	for i := range found.keys {
		k := &found.keys[i]
		ds := k.Status(rollover.DS)
		led = led || k.Status(rollover.KRRSIG).State.Shown() && ds.State == rollover.Omnipresent
		if ds.State == rollover.Hidden && k.Role.SignsDNSKEY() && used(k) {
			ds.State, ds.Since = rollover.Unretentive, now // it may be in caches, though it is gone
		}
	}
	why := "whether the parent has DS records is not known"
	switch {
	case unusable == nil && led:
		return true, nil
	case len(said.ds) > 0:
		why = "the parent has DS records (tag " + said.tags() + ")"
	case said.err == nil:
		return false, nil
	}
	err = fmt.Errorf("%w: the zone is to be insecure, but %s, and no keys that go with that are in %s: unsigned it would be "+
		"bogus; mount the directory that has them, or take the DS records out of the parent zone and wait until caches have "+
		"dropped them; parent none says that there is no parent", errKeys, why, s.dir)
	s.tell(event.Event{Kind: event.KeysWithheld, Err: errors.Join(err, said.err), Reason: "unsafe"})
	return false, errors.Join(err, said.err)
}

// tags returns the tags of the DS records, as text.
func (d delegation) tags() string {
	var tags []string
	for _, ds := range d.ds {
		tags = append(tags, fmt.Sprint(ds.KeyTag))
	}
	slices.Sort(tags)
	return strings.Join(slices.Compact(tags), ", ")
}

// employ puts a zone's first keys into its document. All of it is shown in one
// version: caches have nothing of the zone that a validator would look at.
func (s *signer) employ(d *state.Document, found adopted, made []rollover.Key, m moment) error {
	for _, k := range append(slices.Clone(found.keys), made...) {
		if err := d.AddKey(k); err != nil {
			return err
		}
	}
	for _, x := range found.spares {
		if err := d.AddSpare(x); err != nil {
			return err
		}
	}
	if len(found.keys) > 0 { // the signer before us may have served longer TTLs than we do
		d.KeySet.DNSKEYTTL.Serve(m.key, uint32(lookBack/time.Second))
		d.KeySet.ZoneTTL.Serve(m.key, uint32(lookBack/time.Second))
	}
	d.KeySet.Urgent = true
	_, err := turn(d, s.outlook(m))
	m.see(d)
	return err
}

// tellFirst tells of a zone's first keys, and removes those that were made for
// nothing.
func (s *signer) tellFirst(ctx context.Context, doc *state.Document, made []rollover.Key, found adopted) {
	for _, k := range made {
		if doc.Key(k.ID) == nil {
			// It was made beside the keys of another; no state names it.
			s.discard(ctx, k.ID)
			continue
		}
		s.tell(event.Event{Kind: event.KeyCreated, Key: k.ID, Tag: k.Tag, To: k.Role.String(), Why: "first keys of the zone, in " + s.dir})
	}
	for i := range doc.KeySet.Keys {
		if k := &doc.KeySet.Keys[i]; k.Status(rollover.DS).Goal == rollover.Omnipresent && k.Status(rollover.DS).State == rollover.Hidden {
			s.tellDS(k, "put it into the parent zone once every cache has the signed zone, which is told")
		}
	}
	for _, k := range found.keys {
		if now := doc.Key(k.ID); now != nil {
			s.tell(event.Event{Kind: event.KeyAdopted, Key: k.ID, Tag: k.Tag, To: k.Role.String() + ", " + doing(now),
				Why: "found in " + s.dir, Next: k.Retire})
		}
	}
	for _, x := range found.spares {
		if doc.Spare(x.ID) != nil {
			s.tell(event.Event{Kind: event.KeyAdopted, Key: x.ID, Tag: x.Tag, To: x.Role.String() + " for the next roll", Why: "found in " + s.dir})
		}
	}
}

// usable returns the keys that can sign. A key file that is there and cannot
// be used stops everything: nobody can know what it was for.
func (s *signer) usable(entries []keystore.Entry) (list []keystore.Entry, err error) {
	var errs []error
	for _, e := range entries {
		switch {
		case errors.Is(e.Err, keystore.ErrIncomplete):
			s.tell(event.Event{Kind: event.Warned, Key: e.ID, Why: "left out", Err: e.Err})
		case e.Err != nil:
			s.tell(event.Event{Kind: event.KeyUnusable, Key: e.ID, Err: e.Err, Reason: "keystore"})
			errs = append(errs, fmt.Errorf("key %s: %w", e.ID, e.Err))
		case !e.PublicOnly:
			list = append(list, e)
		}
	}
	return list, errors.Join(errs...)
}

// make makes keys for roles that sign at once. A tag that the zone has, or had,
// is not made again.
func (s *signer) make(ctx context.Context, roles []policy.Role, old *state.Document, usable []keystore.Entry,
	m moment) (made []rollover.Key, err error) {
	for _, role := range roles {
		e, err := s.box.store.Create(ctx, s.zone, keystore.Spec{
			Role:      role,
			Algorithm: s.policy.Algorithm,
			Bits:      s.policy.Bits(role),
			Now:       m.now,
			Used:      func(tag uint16) bool { return old.TagUsed(tag) || foreignTag(usable, tag) },
		})
		if err != nil {
			return nil, fmt.Errorf("making a %s in %s: %w", role, s.dir, err)
		}
		usable = append(usable, e)
		e.Key.Role = role
		k := newKey(e)
		k.Created = m.key
		k.SetGoals(rollover.Omnipresent)
		show(&k, rollover.Rumoured, m.key)
		made = append(made, k)
	}
	return made, nil
}

// wantedRoles returns the roles for which no key is at hand, not even one that
// is to sign later, or has signed: whoever said so has to say otherwise.
func wantedRoles(found adopted, p policy.Policy, presigned bool) (roles []policy.Role) {
	have := slices.Clone(found.meant)
	for _, k := range trusted(found.keys) {
		if used(&k) {
			have = append(have, k.Role)
		}
	}
	apex, rest := slices.ContainsFunc(have, policy.Role.SignsDNSKEY), slices.ContainsFunc(have, policy.Role.SignsZone)
	if !apex && !rest {
		return p.Roles()
	}
	if !rest {
		roles = append(roles, policy.ZSK)
	}
	if !apex && !presigned { // with a DNSKEY set signed elsewhere the KSK is elsewhere
		roles = append(roles, policy.KSK)
	}
	return roles
}

// safeToMake reports why a zone's first keys must not be made: the parent
// vouches for others, so the wrong directory is mounted, most likely. A ZSK
// alone is the parent's business never.
func (s *signer) safeToMake(roles []policy.Role, said delegation) error {
	switch {
	case len(roles) == 0:
		return nil
	case s.policy.NewKeys == policy.Never:
		return fmt.Errorf("no usable keys in %s, and new_keys never forbids to make them", s.dir)
	case s.policy.NewKeys == policy.Always, !slices.ContainsFunc(roles, policy.Role.SignsDNSKEY):
		return nil
	case said.err != nil && !s.freshStore:
		return fmt.Errorf("no usable keys in %s, and none are made: whether the parent has DS records is not known, "+
			"and %s has been used before: %w", s.dir, s.dir, said.err)
	case len(said.ds) > 0:
		return fmt.Errorf("no usable keys in %s, and none are made: the parent has DS records of other keys (tag %s); "+
			"mount the directory that has them, or take the DS records out of the parent zone",
			s.dir, said.tags())
	}
	return nil
}

// writeDS puts the DS records that the parent is to have beside the keys. Before
// the first of them belong into the parent zone, they are those to come.
func (s *signer) writeDS(ctx context.Context, doc *state.Document) {
	w := s.box.others.wish(&doc.KeySet)
	if w.waits != "" {
		return
	}
	if len(w.keys) == 0 && !w.remove {
		for _, k := range doc.KeySet.Keys {
			if k.Status(rollover.DS).Goal == rollover.Omnipresent {
				w.keys = append(w.keys, k)
			}
		}
	}
	var records []string
	for i := range w.keys {
		records = append(records, s.recordsOf(&w.keys[i])...)
	}
	text := strings.Join(records, "\n")
	file, ok := s.box.store.(keystore.DSWriter)
	if !ok || text == s.wroteDS {
		return
	}
	if err := file.WriteDS(ctx, s.zone, records); err != nil {
		s.tell(event.Event{Kind: event.Warned, Why: "DS records not written beside the keys", Err: err})
		return
	}
	s.wroteDS = text
}

// recordsOf returns the DS records of a key in zone-file form.
func (s *signer) recordsOf(k *rollover.Key) (records []string) {
	e, err := find(s.box.known, k)
	if err != nil {
		return nil
	}
	public := plain(e.Key)
	for _, digest := range []uint8{key.SHA256, key.SHA384} {
		if rd, err := public.DS(s.origin, digest); err == nil {
			records = append(records, fmt.Sprintf("%s IN DS %d %d %d %X", zone.Text(s.origin), public.Tag, public.Algorithm, digest, rd[4:]))
		}
	}
	return records
}

// tellDS makes an event of each DS record of a key that the parent is to have.
func (s *signer) tellDS(k *rollover.Key, why string) {
	for _, text := range s.recordsOf(k) {
		s.tell(event.Event{Kind: event.DSToPublish, Key: k.ID, Tag: k.Tag, Record: text, Why: dsWhy(s.policy, why)})
	}
}

// tellGone makes an event of the DS record of a key that the parent is to drop.
func (s *signer) tellGone(k *rollover.Key) {
	public, ok := s.publicKeys(&rollover.KeySet{Keys: []rollover.Key{*k}})[k.ID]
	if ok {
		s.tell(event.Event{Kind: event.DSToRemove, Key: k.ID, Tag: public.Tag, Record: dsText(s.origin, public),
			Why: dsWhy(s.policy, "once it has the others that are wanted, have it taken away there")})
	}
}
