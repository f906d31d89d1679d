package state

import (
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// v1 is the first version of the document: its keys have times at which they do
// things, where records now have states.
type v1 struct {
	Version        int               `json:"version"`
	Zone           string            `json:"zone"`
	Published      bool              `json:"published"`
	Keys           []v1Key           `json:"keys"`
	Generations    []v1Generation    `json:"generations"`
	UsedTags       []UsedTag         `json:"used_tags"`
	Salt           []byte            `json:"salt,omitempty"`
	Policy         v1Policy          `json:"policy"`
	PolicyRevision int               `json:"policy_revision"`
	Exposure       rollover.Exposure `json:"exposure"` // of the whole zone
	LastSeen       time.Time         `json:"last_seen,omitzero"`
	Claims         []Claim           `json:"claims"`
}

type v1Key struct {
	ID           string            `json:"id"`
	Role         policy.Role       `json:"role"`
	Algorithm    uint8             `json:"algorithm"`
	Tag          uint16            `json:"tag"`
	PublicDigest string            `json:"public_digest"`
	Created      time.Time         `json:"created,omitzero"`
	Publish      time.Time         `json:"publish,omitzero"`
	Activate     time.Time         `json:"activate,omitzero"`
	Inactive     time.Time         `json:"inactive,omitzero"`
	Delete       time.Time         `json:"delete,omitzero"`
	Exposure     rollover.Exposure `json:"exposure,omitzero"`
}

type v1Generation struct {
	Since          time.Time `json:"since"`
	Validity       Duration  `json:"validity"`
	ValidityDNSKEY Duration  `json:"validity_dnskey"`
	Refresh        Duration  `json:"refresh"`
	KSKs           []string  `json:"ksks"`
	ZSKs           []string  `json:"zsks"`
}

type v1Policy struct {
	Algorithm      uint8    `json:"algorithm"`
	Scheme         string   `json:"scheme"`
	Validity       Duration `json:"validity"`
	ValidityDNSKEY Duration `json:"validity_dnskey"`
	Refresh        Duration `json:"refresh"`
	DNSKEYTTL      uint32   `json:"dnskey_ttl"`
	Serial         string   `json:"serial"`
	Denial         Denial   `json:"denial"`
}

func newV1(zone string) *v1 { return &v1{Zone: zone} }

// upgrade returns the document in the present version. What it says was so when
// the zone was last worked on. Nothing in it has set a configuration's time:
// the one at hand counts.
func (o *v1) upgrade() *Document {
	d := New(o.Zone)
	d.Published, d.Salt, d.LastSeen = o.Published, o.Salt, o.LastSeen
	d.UsedTags = append(d.UsedTags, o.UsedTags...)
	d.Claims = append(d.Claims, o.Claims...)
	if o.PolicyRevision > 0 {
		d.Policy, d.PolicyRevision = o.Policy.upgrade(), o.PolicyRevision
	}
	for _, k := range o.Keys {
		if n, later := o.upgradeKey(k); later {
			d.Pool = append(d.Pool, Spare{ID: n.ID, Role: n.Role, Algorithm: n.Algorithm, Tag: n.Tag,
				PublicDigest: n.PublicDigest, Created: n.Created})
		} else {
			d.KeySet.Keys = append(d.KeySet.Keys, n)
		}
	}
	for _, g := range o.Generations {
		if len(g.ZSKs) > 0 {
			d.Generations = append(d.Generations, Generation{Since: g.Since, Validity: g.Validity,
				ValidityDNSKEY: g.ValidityDNSKEY, Refresh: g.Refresh, ZSKs: g.ZSKs})
		}
	}
	d.KeySet.DNSKEYTTL.Serve(o.LastSeen, o.Policy.DNSKEYTTL)
	d.KeySet.ZoneTTL.Serve(o.LastSeen, o.Exposure.MaxTTL)
	return d
}

func (p v1Policy) upgrade() Policy {
	s := PolicyOf(policy.Default())
	s.Algorithm, s.Scheme = p.Algorithm, p.Scheme
	s.Validity, s.ValidityDNSKEY, s.Refresh = p.Validity, p.ValidityDNSKEY, p.Refresh
	s.DNSKEYTTL, s.Serial, s.Denial = p.DNSKEYTTL, p.Serial, p.Denial
	return s
}

// upgradeKey gives a key's records the states that its times and the
// generations tell of. Later says that nothing of it has been shown: it is a
// spare for the next roll.
func (o *v1) upgradeKey(k v1Key) (n rollover.Key, later bool) {
	now := o.LastSeen
	come := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	n = rollover.Key{
		ID: k.ID, Role: k.Role, Algorithm: policy.Algorithm(k.Algorithm), Tag: k.Tag, PublicDigest: k.PublicDigest,
		Created: k.Created, Exposure: k.Exposure,
	}
	if come(k.Activate) {
		n.Active = k.Activate
	}
	end := k.Inactive
	if end.IsZero() || !k.Delete.IsZero() && k.Delete.Before(end) {
		end = k.Delete
	}
	if come(end) {
		n.Retired = end
	} else {
		n.Retire = end
	}
	wanted := n.Retired.IsZero()
	set := func(r rollover.Record, wanted bool, state rollover.State, since time.Time) {
		goal := rollover.Hidden
		if wanted {
			goal = rollover.Omnipresent
		}
		*n.Status(r) = rollover.Status{State: state, Goal: goal, Since: since}
	}
	dnskey, since := o.publication(k, come)
	set(rollover.DNSKEY, wanted, dnskey, since)
	later = wanted && dnskey == rollover.Hidden
	if k.Role.SignsZone() {
		state, since := o.signing(k, func(g v1Generation) []string { return g.ZSKs })
		set(rollover.ZRRSIG, wanted && state.Shown(), state, since)
	}
	if !k.Role.SignsDNSKEY() {
		return n, later
	}
	state, since := o.signing(k, func(g v1Generation) []string { return g.KSKs })
	set(rollover.KRRSIG, wanted && state.Shown(), state, since)
	n.Status(rollover.KRRSIG).Pending = state == rollover.Rumoured // the set may still wait for its turn
	// Nobody noted whether the parent took the DS. It may be there.
	switch state {
	case rollover.Hidden:
	case rollover.Unretentive:
		set(rollover.DS, false, rollover.Unretentive, now)
	default:
		set(rollover.DS, wanted, rollover.Rumoured, since)
	}
	return n, later
}

// publication tells where a key's DNSKEY record was.
func (o *v1) publication(k v1Key, come func(time.Time) bool) (rollover.State, time.Time) {
	inUse := slices.ContainsFunc(o.Generations, func(g v1Generation) bool {
		return slices.Contains(g.KSKs, k.ID) || slices.Contains(g.ZSKs, k.ID)
	})
	switch shown := k.Publish; {
	case inUse && !come(shown):
		return rollover.Omnipresent, k.Activate
	case come(k.Delete) && !inUse:
		return rollover.Unretentive, k.Delete
	case !come(shown):
		return rollover.Hidden, time.Time{}
	case !inUse && o.LastSeen.Before(shown.Add(time.Duration(o.Policy.DNSKEYTTL)*time.Second+policy.Propagation)):
		return rollover.Rumoured, shown
	default:
		return rollover.Omnipresent, shown
	}
}

// signing tells where a key's signatures were, from the generations, oldest
// first, that it is a signer in.
func (o *v1) signing(k v1Key, of func(v1Generation) []string) (rollover.State, time.Time) {
	if len(o.Generations) == 0 {
		return rollover.Hidden, time.Time{}
	}
	oldest, newest := o.Generations[0], o.Generations[len(o.Generations)-1]
	before, after := slices.Contains(of(oldest), k.ID), slices.Contains(of(newest), k.ID)
	switch {
	case before && after:
		return rollover.Omnipresent, oldest.Since
	case after:
		return rollover.Rumoured, newest.Since
	case before, !k.Exposure.LatestExpiry.IsZero():
		return rollover.Unretentive, newest.Since
	}
	return rollover.Hidden, time.Time{}
}
