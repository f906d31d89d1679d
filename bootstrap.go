package autosign

import (
	"bytes"
	"cmp"
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
	adopted := adopt(usable, s.origin, said, m.now)
	roles := wantedRoles(trusted(adopted, usable), s.policy, presigned)
	if err := s.safeToMake(roles, said); err != nil {
		s.tell(event.Event{Kind: event.KeysWithheld, Err: err, Reason: "unsafe"})
		return nil, err
	}
	if err := s.checkSigners(trusted(adopted, usable), roles, m.now); err != nil {
		return nil, err
	}
	made, err := s.make(ctx, roles, func(tag uint16) bool {
		return old.TagUsed(tag) || slices.ContainsFunc(usable, func(e keystore.Entry) bool { return e.Key.Tag == tag })
	}, m.now)
	if err != nil {
		return nil, err
	}
	doc, err := s.docs.change(ctx, func(d *state.Document) error {
		if len(d.Keys) > 0 { // another was faster
			return errUnchanged
		}
		for _, k := range append(slices.Clone(adopted), made...) {
			if err := d.AddKey(k); err != nil {
				return err
			}
		}
		turn(d, s.policy, m)
		d.See(m.keys)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.tellFirst(ctx, doc, made, adopted, m)
	return doc, nil
}

// tellFirst tells of a zone's first keys, and removes those that were made for
// nothing.
func (s *signer) tellFirst(ctx context.Context, doc *state.Document, made, adopted []state.Key, m moment) {
	for _, k := range made {
		if doc.Key(k.ID) == nil {
			// It was made beside the keys of another; no state names it.
			if err := s.box.store.Destroy(ctx, s.zone, k.ID); err != nil {
				s.tell(event.Event{Kind: event.Warned, Key: k.ID, Why: "a spare key was left behind", Err: err})
			}
			continue
		}
		s.tell(event.Event{Kind: event.KeyCreated, Key: k.ID, To: k.Role, Why: "first keys of the zone, in " + s.dir})
	}
	for _, k := range adopted {
		if doc.Key(k.ID) != nil {
			s.tell(event.Event{Kind: event.KeyAdopted, Key: k.ID, To: k.Role + ", " + usesOf(doc, m.keys)[k.ID].String(),
				Why: "found in " + s.dir})
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

// adopt turns key files that were found into keys of the state. They take the
// state of their .state file or timing lines; without them a KSK whose DS the
// parent holds signs, any other is only published, as far as something signs.
func adopt(usable []keystore.Entry, origin []byte, said delegation, now time.Time) (list []state.Key) {
	var plain []int // of list: keys without any metadata
	var keys []key.Key
	for _, e := range usable {
		k := stateKey(e)
		switch t := e.Timing; {
		case e.State != nil:
			fromBINDState(&k, e, now)
		case e.HasTiming && (!t.Publish.IsZero() || !t.Activate.IsZero() || !t.Inactive.IsZero() || !t.Delete.IsZero()):
			k.Publish, k.Activate, k.Inactive, k.Delete = t.Publish, t.Activate, t.Inactive, t.Delete
		default:
			k.Publish = now
			plain = append(plain, len(list))
		}
		retireAtRevocation(&k, e)
		list = append(list, k)
		keys = append(keys, e.Key)
	}
	for _, n := range plain {
		if keys[n].Role.SignsDNSKEY() && said.has(keys[n], origin) {
			list[n].Activate = now
		}
	}
	activateRest(list, plain, policy.Role.SignsDNSKEY, len(said.ds) == 0, now)
	activateRest(list, plain, policy.Role.SignsZone, false, now)
	return list
}

// activateRest makes keys without metadata sign where otherwise nothing of
// their role would: the newest, or all of them.
func activateRest(list []state.Key, plain []int, has func(policy.Role) bool, all bool, now time.Time) {
	var idle []int
	for n := range list {
		role, err := policy.ParseRole(list[n].Role)
		if err != nil || !has(role) {
			continue
		}
		if !list[n].Activate.IsZero() {
			return
		}
		if slices.Contains(plain, n) {
			idle = append(idle, n)
		}
	}
	slices.SortFunc(idle, func(a, b int) int {
		return cmp.Or(list[b].Created.Compare(list[a].Created), cmp.Compare(list[a].ID, list[b].ID))
	})
	for i, n := range idle {
		if i == 0 || all {
			list[n].Activate = now
		}
	}
}

// stateKey is what the state keeps of a key.
func stateKey(e keystore.Entry) state.Key {
	return state.Key{
		ID:           e.ID,
		Role:         e.Key.Role.String(),
		Algorithm:    uint8(e.Key.Algorithm),
		Tag:          e.Key.Tag,
		PublicDigest: e.Key.PublicDigest(),
		Created:      e.Timing.Created,
	}
}

// fromBINDState sets a key's times by the lines of its .state file. What the
// file says of the records as they are counts more than the moments in it.
func fromBINDState(k *state.Key, e keystore.Entry, now time.Time) {
	moment := func(line string) time.Time {
		t, _ := time.Parse("20060102150405", strings.Fields(e.State[line] + " -")[0])
		return t
	}
	shown := func(line string) bool {
		s := strings.ToLower(e.State[line])
		return s == "rumoured" || s == "omnipresent"
	}
	k.Publish, k.Activate, k.Inactive, k.Delete = moment("Published"), moment("Active"), moment("Retired"), moment("Removed")
	past := func(t time.Time) time.Time { // something that already is
		if t.IsZero() || t.After(now) {
			return now
		}
		return t
	}
	signing := "ZRRSIGState"
	if e.Key.Role == policy.KSK {
		signing = "KRRSIGState"
	}
	if shown("DNSKEYState") {
		k.Publish = past(k.Publish)
		if come(k.Delete, now) {
			k.Delete = time.Time{}
		}
	}
	switch {
	case shown(signing):
		k.Activate = past(k.Activate)
		if come(k.Inactive, now) {
			k.Inactive = time.Time{}
		}
	case strings.EqualFold(e.State["GoalState"], "hidden"):
		k.Inactive = past(k.Inactive)
	}
}

// make makes keys for roles. A tag that the zone has, or had, is not made again.
func (s *signer) make(ctx context.Context, roles []policy.Role, used func(uint16) bool, now time.Time) (made []state.Key, err error) {
	for _, role := range roles {
		e, err := s.box.store.Create(ctx, s.zone, keystore.Spec{
			Role:      role,
			Algorithm: s.policy.Algorithm,
			Bits:      s.policy.Bits(role),
			Now:       now,
			Used: func(tag uint16) bool {
				return used(tag) || slices.ContainsFunc(made, func(k state.Key) bool { return k.Tag == tag })
			},
		})
		if err != nil {
			return nil, fmt.Errorf("making a %s in %s: %w", role, s.dir, err)
		}
		e.Key.Role = role
		k := stateKey(e)
		k.Created, k.Publish, k.Activate = now, now, now
		made = append(made, k)
	}
	return made, nil
}

// wantedRoles returns the roles for which no key is at hand.
func wantedRoles(adopted []state.Key, p policy.Policy, presigned bool) (roles []policy.Role) {
	var apex, rest bool
	for _, k := range adopted {
		role, err := policy.ParseRole(k.Role)
		if err != nil || k.Activate.IsZero() {
			continue
		}
		apex = apex || role.SignsDNSKEY()
		rest = rest || role.SignsZone()
	}
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
		var tags []string
		for _, ds := range said.ds {
			tags = append(tags, fmt.Sprint(ds.KeyTag))
		}
		slices.Sort(tags)
		return fmt.Errorf("no usable keys in %s, and none are made: the parent has DS records of other keys (tag %s); "+
			"mount the directory that has them, or take the DS records out of the parent zone",
			s.dir, strings.Join(slices.Compact(tags), ", "))
	}
	return nil
}

// writeDS puts the DS records that the parent is to have beside the keys, and
// makes events of them at the first signing.
func (s *signer) writeDS(ctx context.Context, r *ring, first bool) {
	var records []string
	for i, k := range r.keys {
		if !k.Role.SignsDNSKEY() || !k.Published {
			continue
		}
		public, err := key.FromDNSKEY(k.DNSKEY)
		if err != nil || revoked(public) {
			continue
		}
		for _, digest := range []uint8{key.SHA256, key.SHA384} {
			rd, err := public.DS(s.origin, digest)
			if err != nil {
				continue
			}
			text := fmt.Sprintf("%s IN DS %d %d %d %X", zone.Text(s.origin), public.Tag, public.Algorithm, digest, rd[4:])
			records = append(records, text)
			if first {
				s.tell(event.Event{Kind: event.DSToPublish, Key: r.ids[i], Record: text,
					Why: "put it into the parent zone once every secondary has this version"})
			}
		}
	}
	w, ok := s.box.store.(keystore.DSWriter)
	if !ok || len(records) == 0 {
		return
	}
	if err := w.WriteDS(ctx, s.zone, records); err != nil {
		s.tell(event.Event{Kind: event.Warned, Why: "DS records not written beside the keys", Err: err})
	}
}
