package autosign

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/lastgood"
	"github.com/autosign-dns/autosign/plugin/source"
	"github.com/autosign-dns/autosign/plugin/zone"
)

var (
	// errSource says that the source has no usable zone.
	errSource = errors.New("no usable source")
	// errKeys says that keys are missing or cannot be used.
	errKeys = errors.New("no usable keys")
)

// content returns what is to be signed: what the source has, if it is new and
// will do, and otherwise what is served or was served last.
func (s *signer) content(ctx context.Context, asked bool) (*snapshot, error) {
	served := s.served.Load()
	pinned := !s.policy.Automatic && !asked
	if pinned && served == nil {
		if good := s.lastGood(); good != nil {
			return &snapshot{good.Zone, good.Serial}, nil
		}
	}
	err := s.readSource(ctx, served, pinned && served != nil, asked)
	switch {
	case s.pending != nil && !(pinned && served != nil):
		return s.pending, nil
	case asked && err != nil:
		return nil, err
	case served != nil:
		return &snapshot{served.content, soaSerial(served.content)}, nil
	case err == nil && ctx.Err() != nil:
		return nil, ctx.Err()
	}
	if good := s.lastGood(); good != nil {
		s.tell(event.Event{Kind: event.Warned, Why: fmt.Sprintf("signing the records published last, with serial %d, at %s",
			good.Serial, good.Published.UTC().Format(time.RFC3339))})
		return &snapshot{good.Zone, good.Serial}, nil
	}
	if err == nil {
		err = errSource
	}
	return nil, fmt.Errorf("nothing to sign, and no copy of earlier: %w", err)
}

// readSource looks at the source if it is in another state than before, and
// makes what it holds pending if it will do. Nothing becomes pending where
// records are pinned. A source of no use is told of once.
func (s *signer) readSource(ctx context.Context, served *version, pinned, asked bool) error {
	if !s.source.Changed(s.seen) && !asked && s.lost == "" {
		return nil
	}
	var before *zone.Zone
	if served != nil {
		before = served.content
	} else if s.pending != nil {
		before = s.pending.zone
	}
	var snap source.Snapshot
	var err error
	s.crew.do(s.policy.Workers, func() { snap, err = s.source.Load(ctx, before) })
	if err == nil && !pinned {
		err = s.acceptable(snap, served)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.seen = snap.Generation
	if err != nil {
		err = fmt.Errorf("%w: %w", errSource, err)
		s.pending = nil
		if text := err.Error(); text != s.lost {
			s.lost = text
			s.tell(event.Event{Kind: event.SourceLost, Err: err, Reason: reason(err),
				Why: "what was published last stays; the source is looked at when it changes"})
		}
		return err
	}
	if s.lost != "" {
		s.lost = ""
		s.tell(event.Event{Kind: event.SourceFound})
	}
	if pinned {
		if served.content != snap.Zone && differs(served.content, snap.Zone) {
			s.tell(event.Event{Kind: event.Warned, Why: "the source changed; with automatic off it is signed when that is asked for"})
		}
		return nil
	}
	s.pending = &snapshot{snap.Zone, snap.Serial}
	return nil
}

// acceptable judges new content before anything is signed: accidents are kept
// out, and what is unwise is told, or refused where the policy is strict.
func (s *signer) acceptable(snap source.Snapshot, served *version) error {
	var before *zone.Zone
	if served != nil {
		before = served.content
	} else if good := s.lastGood(); good != nil {
		before = good.Zone
	}
	if err := zone.CheckChange(before, snap.Zone, s.policy.MassChange); err != nil {
		return err
	}
	var warnings []error
	for _, w := range snap.Warnings {
		warnings = append(warnings, errors.New(w.String()))
	}
	rdata, _ := snap.Zone.SOA()
	expire := time.Duration(binary.BigEndian.Uint32(rdata[len(rdata)-8:])) * time.Second
	longest := time.Duration(snap.Zone.Stats().MaxTTL) * time.Second
	warnings = append(warnings, s.policy.CheckZone(expire, longest, len(s.notifiers()) > 0)...)
	if s.policy.Strict && len(warnings) > 0 {
		return fmt.Errorf("refused, since the policy is strict: %w", errors.Join(warnings...))
	}
	for _, w := range warnings {
		s.warnOnce(w.Error())
	}
	return nil
}

// differs reports whether two versions of a zone hold different records.
func differs(a, b *zone.Zone) bool {
	for range zone.Diff(a, b) {
		return true
	}
	return false
}

func soaSerial(z *zone.Zone) uint32 {
	rdata, _ := z.SOA()
	return binary.BigEndian.Uint32(rdata[len(rdata)-20:])
}

// lastGood returns the copy that was on the disk at start, or nil.
func (s *signer) lastGood() *lastgood.Copy {
	if !s.goodRead {
		s.goodRead = true
		good, err := s.copies.Load(s.docs.name)
		switch {
		case err == nil:
			s.good = &good
		case !errors.Is(err, lastgood.ErrNone):
			s.tell(event.Event{Kind: event.Warned, Why: "the last good copy is not there for emergencies", Err: err})
		}
	}
	return s.good
}
