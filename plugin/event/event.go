// Package event says what happened to a zone, as data. The driver that acts
// makes the event; logs, metrics and whatever shows the history read it.
// Nothing here reads a clock or writes anything.
package event

import (
	"fmt"
	"strings"
	"time"
)

// Kind is what happened.
type Kind uint8

// The kinds of events. Each comment says which fields of Event it fills
// besides Kind, Zone, At and Why.
const (
	// Published is a new version taken into service: Serial, Signatures,
	// Records, Took, Expiry, Next.
	Published Kind = iota + 1
	// Refused is a version that was not taken into service, with the last good
	// one still served: Serial (of the version served, 0 when there is none), Err, Next.
	Refused
	// SourceLost is a source without a usable zone: Err, Next.
	SourceLost
	// SourceFound is the end of SourceLost.
	SourceFound
	// KeyCreated is a new key in the key store: Key.
	KeyCreated
	// KeyAdopted is a key found in the key store that no state named: Key, To
	// (what it is used for).
	KeyAdopted
	// KeyUnusable is a key that cannot be used: Key, Err.
	KeyUnusable
	// KeysWithheld is a zone without keys for which none are made, because that
	// is not known to be safe: Err, Next.
	KeysWithheld
	// KeyMoved is a record of a key that went from one state to another: Key,
	// Tag, Record, From, To, Next.
	KeyMoved
	// KeyWaits is what a key, or a roll, waits for besides time: Key, Tag, Record.
	KeyWaits
	// KeyDestroyed is the end of a private key that the state has forgotten: Key.
	KeyDestroyed
	// DSToPublish is a DS record that the parent is to have: Key, Tag, Record (the
	// record in zone-file form).
	DSToPublish
	// DSToRemove is a DS record that the parent is to drop: Key, Tag, Record.
	DSToRemove
	// DSChanged is what the servers of the parent have now, when that changed: Key,
	// Tag, From, To, Next.
	DSChanged
	// DSUnknown is a DS at the parent that belongs to no key of the zone: Record, Next.
	DSUnknown
	// ChainBroken is a parent whose DS records are all of keys that the zone does not
	// have: validators find the zone bogus. Record, Next.
	ChainBroken
	// ParentUnclear is a parent of which it is not known what it has: Err, Next.
	ParentUnclear
	// ParentNotified is a NOTIFY about a new CDS that the parent has taken: To (the
	// target).
	ParentNotified
	// NotifyFailed is one that nobody took: To, Err, Next.
	NotifyFailed
	// Frozen is a zone whose keys do not move: Next.
	Frozen
	// Thawed is the end of Frozen.
	Thawed
	// Commanded is an operator's command that was carried out: Who, Command, Key.
	Commanded
	// CommandRefused is one that was not: Who, Command, Key, Err, Next (when it
	// would be carried out).
	CommandRefused
	// Overridden is a command that was carried out against a rule: Who, Command,
	// Key, Err (the refusal).
	Overridden
	// ClockJumped is wall time that cannot be trusted: From, To (instants), Next.
	ClockJumped
	// StoreFailed is a state document that could not be read or changed: Err, Next.
	StoreFailed
	// Warned is something an operator should look at: Why alone.
	Warned
	kinds
)

// texts are the kinds in words, as they stand in a log line.
var texts = [kinds]string{
	Published:    "published",
	Refused:      "version refused",
	SourceLost:   "no usable source",
	SourceFound:  "source is usable again",
	KeyCreated:   "key created",
	KeyAdopted:   "key adopted",
	KeyUnusable:  "key unusable",
	KeysWithheld: "no keys made",
	KeyMoved:     "key moved",
	KeyWaits:     "key waits",
	KeyDestroyed: "key destroyed",
	DSToPublish:  "DS for the parent",
	DSToRemove:   "DS for the parent to remove",
	DSChanged:    "DS at the parent",
	DSUnknown:    "DS of no key of the zone at the parent",
	ChainBroken:  "no DS at the parent leads to the zone",
	ClockJumped:  "clock jumped",
	StoreFailed:  "state not stored",
	Warned:       "warning",

	ParentUnclear:  "parent unclear",
	ParentNotified: "parent notified of a new CDS",
	NotifyFailed:   "parent not notified",
	Frozen:         "keys do not move",
	Thawed:         "keys may move again",
	Commanded:      "command done",
	CommandRefused: "command refused",
	Overridden:     "command done against a rule",
}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(texts) && texts[k] != "" {
		return texts[k]
	}
	return fmt.Sprintf("event %d", uint8(k))
}

// Severity says who has to care.
type Severity uint8

// The severities, mildest first.
const (
	Info    Severity = iota // nobody: the record of what was done
	Warning                 // an operator, at leisure
	Error                   // an operator, before signatures expire
)

// Severity returns how urgent events of this kind are.
func (k Kind) Severity() Severity {
	switch k {
	case Refused, SourceLost, KeyUnusable, KeysWithheld, StoreFailed, ChainBroken:
		return Error
	case ClockJumped, Warned, DSUnknown, ParentUnclear, NotifyFailed, Frozen, CommandRefused, Overridden:
		return Warning
	}
	return Info
}

// Event is one thing that happened. Fields that do not apply are zero.
type Event struct {
	Kind Kind
	At   time.Time // UTC
	Zone string    // origin, with the final dot
	View string    // of the server block, if it has one

	Key      string // ID in the key store
	Tag      uint16 // of the key (RFC 4034 appendix B), with Key
	Record   string // the record it is about, or its type
	From, To string // states
	Who      string // gave the command
	Command  string // in words
	Why      string // reason, in words for an operator
	Err      error  // what went wrong
	Reason   string // one word for Err, of a small set, for metrics

	Serial     uint32
	Signatures int           // made for this version
	Records    int           // of the signed zone
	Took       time.Duration // making the version, from loaded to published
	Expiry     time.Time     // first expiration of a signature in the version
	Next       time.Time     // when this zone is looked at again; zero: when something changes
}

// subject is the command and the key of an event.
func (e Event) subject() string {
	var parts []string
	if e.Command != "" {
		parts = append(parts, e.Command)
	}
	if e.Key != "" {
		parts = append(parts, e.Key)
	}
	if e.Key != "" && e.Tag != 0 {
		parts = append(parts, fmt.Sprintf("(tag %d)", e.Tag))
	}
	if e.Who != "" {
		parts = append(parts, "by "+e.Who)
	}
	return strings.Join(parts, " ")
}

// String returns the event as one log line: zone, what, why, next.
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(e.Zone)
	if e.View != "" {
		b.WriteString(" in view " + e.View)
	}
	fmt.Fprintf(&b, " %s", e.Kind)
	if e.Kind == Published {
		fmt.Fprintf(&b, " serial %d, %d signatures made in %s", e.Serial, e.Signatures, e.Took.Round(time.Millisecond))
	}
	for _, s := range []string{e.subject(), e.Record} {
		if s != "" {
			b.WriteString(" " + s)
		}
	}
	switch {
	case e.From != "" && e.To != "":
		fmt.Fprintf(&b, " from %s to %s", e.From, e.To)
	case e.To != "":
		fmt.Fprintf(&b, " as %s", e.To)
	}
	if e.Why != "" {
		b.WriteString(": " + e.Why)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if !e.Expiry.IsZero() {
		fmt.Fprintf(&b, "; first signature expires %s", e.Expiry.UTC().Format(time.RFC3339))
	}
	if !e.Next.IsZero() {
		fmt.Fprintf(&b, "; next at %s", e.Next.UTC().Format(time.RFC3339))
	}
	return b.String()
}
