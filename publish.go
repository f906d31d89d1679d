package autosign

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/lastgood"
	"github.com/autosign-dns/autosign/plugin/metrics"
	"github.com/autosign-dns/autosign/plugin/sign"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// errElsewhere says that another instance published from a source that this
// one does not have.
var errElsewhere = errors.New("another instance has published from another source")

// errOvertaken says that another instance has moved the zone's keys since the
// document was read of which a version is made.
var errOvertaken = errors.New("the keys have moved on in the state meanwhile")

// overtaken reports that the keys in the state are not those of a document any more.
func overtaken(stored, doc *state.Document) error {
	if shapeOf(stored) != shapeOf(doc) {
		return errOvertaken
	}
	return nil
}

// publish signs content, judges the result and puts it into service. The serial
// is claimed in the state before anybody sees it. Where nothing would change
// nothing is published. From is the version whose signatures are taken over.
// Where another instance is ahead with its source what is served goes on with
// the keys of now, under its serial; the error says so.
func (s *signer) publish(ctx context.Context, doc *state.Document, r *ring, content *snapshot, m moment, from *version) error {
	began := time.Now()
	content = &snapshot{s.withChildren(content.zone), content.serial}
	served := s.served.Load()
	plan, signed, err := s.sign(ctx, doc, r, content, m, from)
	if err != nil {
		return err
	}
	raised := served != nil && content.raises(served.signed.Serial)
	if served != nil && served.signed.Digest == signed.Digest && !s.unclaimed && !s.unmade && !raised {
		same := *served
		same.content, same.due = content.zone, min(served.signed.Due, signed.Due) // maybe from another generation
		s.carry(&same, r)
		s.served.Store(&same)
		return s.seeTime(ctx, doc, m)
	}
	serial, behind, err := s.serialFor(ctx, doc, signed, content, m)
	if err != nil {
		return err
	}
	sealed, err := plan.Seal(signed, serial)
	if err != nil {
		return err
	}
	next := newVersion(sealed, content.zone, r, m.now)
	verified, err := s.judgeVersion(ctx, from, next, m)
	if err != nil {
		return err
	}
	stored, _, err := s.docs.read(ctx)
	if err != nil {
		return err
	}
	if err := overtaken(stored, doc); err != nil {
		return err // since the claim
	}
	if from != nil && verified == whole {
		next.sound = from.sound // what is as it was there has been verified there, or will be
	} else {
		next.sound.Store(verified == whole)
	}
	if err := s.keep(next, m); err != nil {
		return err
	}
	s.carry(next, r)
	s.serve(next)
	s.tellChildren(served, next)
	s.unclaimed, s.good = behind != nil, nil // a copy of earlier is of use only before the first version
	s.unmade = s.unmade && from != nil       // of the version that came back
	s.published(next, plan.Signatures(), time.Since(began))
	s.checkBehind(served, next, verified)
	return behind
}

// carry notes on a version that goes into service which keys it shows, and since
// when that is so.
func (s *signer) carry(v *version, r *ring) {
	was := s.served.Load()
	v.shape, v.since = r.shape, s.clock.now().Truncate(time.Millisecond)
	if was != nil && was.shape == v.shape && was.since.Before(v.since) {
		v.since = was.since
	}
}

// sign makes the signed copy, the SOA's serial and signature still wanting.
func (s *signer) sign(ctx context.Context, doc *state.Document, r *ring, content *snapshot, m moment,
	from *version) (plan *sign.Plan, signed *zone.Signed, err error) {
	in := sign.Input{
		Zone:          content.zone,
		Keys:          r.keys,
		Generations:   r.gens,
		DNSKEYSigners: r.dnskeySigners,
		Denial:        s.effective.Denial,
		Salt:          doc.Salt,
		DNSKEYTTL:     s.effective.DNSKEYTTL,
		CDS:           r.cds,
		CDNSKEY:       r.cdnskey,
		ZSKOnly:       r.zskOnly,
		Unsigned:      r.unsigned,
		Now:           m.sign,
		Yield:         giveWay,
	}
	if from != nil {
		in.Previous = from.signed
	}
	s.crew.do(s.policy.Workers, func() { plan, err = sign.NewPlan(in) })
	if err != nil {
		return nil, nil, err
	}
	if err = s.crew.sign(ctx, s.policy.Workers, plan.Jobs()); err != nil {
		return nil, nil, err
	}
	s.crew.do(s.policy.Workers, func() { signed, err = plan.Assemble() })
	return plan, signed, err
}

// serialFor returns the serial for a version: one that is claimed, or, where
// another instance is ahead with its source, the one that is served, and in
// behind that this is so. Nobody is to fetch such a version, but its signatures
// are to go with the DNSKEY set of the others.
func (s *signer) serialFor(ctx context.Context, doc *state.Document, signed *zone.Signed, content *snapshot, m moment) (serial uint32, behind, err error) {
	serial, err = s.claim(ctx, doc, signed, content, m)
	if !errors.Is(err, errElsewhere) {
		return serial, nil, err
	}
	served := s.served.Load().signed
	if served.Digest == signed.Digest {
		return 0, nil, err
	}
	behind = err
	_, err = s.docs.change(ctx, func(d *state.Document) error {
		if err := overtaken(d, doc); err != nil {
			return err
		}
		s.expose(d, signed, m)
		return nil
	})
	return served.Serial, behind, err
}

// claim takes a serial for the version in the state, where others see it. Doc is
// what the version was made of: with keys of before it takes none.
func (s *signer) claim(ctx context.Context, doc *state.Document, signed *zone.Signed, content *snapshot, m moment) (serial uint32, err error) {
	source := s.blocks.sum(content.zone)
	floor, hasFloor := s.floor()
	digest := hex.EncodeToString(signed.Digest[:])
	_, err = s.docs.change(ctx, func(d *state.Document) error {
		if err := overtaken(d, doc); err != nil {
			return err
		}
		last, has := d.Last()
		if has && last.Digest == digest && !content.raises(last.Serial) {
			// It is ours, or of one who made the same.
			serial = last.Serial
			return errUnchanged
		}
		if has && s.ours != "" && last.Digest != s.ours && last.Source != source && s.served.Load() != nil &&
			content != s.pending {
			return fmt.Errorf("%w: serial %d is its; waiting for the source here to change", errElsewhere, last.Serial)
		}
		base := last.Serial
		if hasFloor && (!has || sign.SerialAfter(floor, base)) {
			base, has = floor, true
		}
		c := state.Claim{
			Serial: sign.NextSerial(s.effective.Serial, base, has, content.serial, m.now),
			Digest: digest,
			Source: source,
			Slot:   sign.Slot(s.origin, s.effective.Validity, s.effective.Refresh, m.sign),
		}
		var err error
		if serial, _, err = d.Claim(c, content.serial); err != nil {
			return err
		}
		s.expose(d, signed, m)
		return nil
	})
	if err == nil {
		s.ours = digest
	}
	return serial, err
}

// expose notes what caches may have of a version, and until when.
func (s *signer) expose(d *state.Document, signed *zone.Signed, m moment) {
	ttl := signed.Stats().MaxTTL
	d.Expose(ttl, m.sign.Add(max(s.effective.Validity, s.effective.ValidityDNSKEY)), signers(d)...)
	d.KeySet.ZoneTTL.Serve(m.now, ttl)
	if !signed.Unsigned {
		d.KeySet.DNSKEYTTL.Serve(m.now, s.effective.DNSKEYTTL)
	}
	m.see(d)
}

// signers returns the IDs of all keys that sign.
func signers(d *state.Document) (ids []string) {
	for i := range d.KeySet.Keys {
		if k := &d.KeySet.Keys[i]; signsIn(d, k) {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// floor is the serial that the next one must come after, whatever the state says.
func (s *signer) floor() (uint32, bool) {
	if v := s.served.Load(); v != nil {
		return v.signed.Serial, true
	}
	if good := s.lastGood(); good != nil {
		return good.Serial, true
	}
	return 0, false
}

// seeTime notes in the state, now and then, that the zone is being worked on.
func (s *signer) seeTime(ctx context.Context, doc *state.Document, m moment) error {
	if m.seen.Sub(doc.LastSeen) < jumpStopped/4 {
		return nil
	}
	_, err := s.docs.change(ctx, func(d *state.Document) error {
		m.see(d)
		return nil
	})
	return err
}

// keep has the version's records put on disk. Where they are pinned that is
// done before anybody sees the version; otherwise behind it, since the source
// still has them.
func (s *signer) keep(v *version, m moment) error {
	c := lastgood.Copy{Zone: v.content, Serial: v.signed.Serial, Published: m.now}
	if !s.policy.Automatic {
		if err := s.copies.Save(s.docs.name, c); err != nil {
			return fmt.Errorf("last good copy: %w", err)
		}
		return nil
	}
	s.saver.save(s, c)
	return nil
}

// published tells everybody of a new version.
func (s *signer) published(v *version, made int, took time.Duration) {
	records, expiry := s.measure(v)
	s.tell(event.Event{Kind: event.Published, Serial: v.signed.Serial, Signatures: made, Records: records,
		Took: took, Expiry: expiry, Next: time.Unix(v.signed.Due, 0)})
	for _, n := range s.notifiers() {
		n.notify(s.zone)
	}
}

// measure sets the gauges of what is served.
func (s *signer) measure(v *version) (records int, expiry time.Time) {
	records = v.signed.Stats().Records + v.signed.Signatures + denials(v.signed)
	expiry = time.Unix(v.signed.Expiry, 0)
	metrics.Serve(s.zone, s.view, metrics.Serving{Serial: v.signed.Serial, Records: records, Expiry: expiry})
	return records, expiry
}

// denials counts the NSEC or NSEC3 records of a version.
func denials(s *zone.Signed) (n int) {
	switch {
	case s.NSEC3 != nil:
		return s.NSEC3.Count
	case s.Unsigned:
		return 0
	}
	for _, b := range s.Zone.Blocks() {
		for i := range b.Len() {
			if zone.InNSEC(b.Flags(i)) {
				n++
			}
		}
	}
	return n
}
