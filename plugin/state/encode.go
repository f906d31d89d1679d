package state

import (
	"errors"
	"fmt"
	"time"
)

// ErrNewer says that the document was written by a newer version.
var ErrNewer = errors.New("written by a newer version")

// New returns the document of a zone without history.
func New(zone string) *Document {
	return &Document{Version: Version, Zone: zone}
}

// Decode reads the stored document of a zone.
func Decode(data []byte, zone string) (*Document, error) { panic("soon") }

// Encode returns the stored form of the document.
func (d *Document) Encode() ([]byte, error) { panic("soon") }

// Duration is a time.Duration stored as text ("336h0m0s").
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q: %w", text, err)
	}
	*d = Duration(v)
	return nil
}
