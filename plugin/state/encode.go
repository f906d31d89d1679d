package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/autosign-dns/autosign/plugin/rollover"
)

// Reasons for which a stored document is not taken. The errors of Decode wrap
// one of them; in every case the document must not be written over.
var (
	ErrNewer     = errors.New("written by a newer version of autosign")
	ErrOtherZone = errors.New("the state of another zone")
	ErrDamaged   = errors.New("damaged")
)

// New returns the document of a zone without history.
func New(zone string) *Document {
	return &Document{
		Version: Version, Zone: zone,
		KeySet: rollover.KeySet{Keys: []rollover.Key{}}, Generations: []Generation{}, UsedTags: []UsedTag{}, Claims: []Claim{},
	}
}

// Decode reads the stored document of a zone. It takes nothing that it does not
// understand: what is not kept would be lost with the next change.
func Decode(data []byte, zone string) (*Document, error) {
	d, err := decode(data, zone)
	if err != nil {
		return nil, fmt.Errorf("state of %s: %w", zone, err)
	}
	return d, nil
}

func decode(data []byte, zone string) (*Document, error) {
	var head struct {
		Version *int   `json:"version"`
		Zone    string `json:"zone"`
	}
	switch err := json.Unmarshal(data, &head); {
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrDamaged, explain(err))
	case head.Version == nil || *head.Version < 1:
		return nil, fmt.Errorf("%w: no version", ErrDamaged)
	case *head.Version > Version:
		return nil, fmt.Errorf("%w: its version is %d, this one knows %d", ErrNewer, *head.Version, Version)
	case head.Zone != zone:
		return nil, fmt.Errorf("%w: %q", ErrOtherZone, head.Zone)
	}
	d := New(zone)
	if *head.Version == 1 {
		old := newV1(zone)
		if err := read(data, old); err != nil {
			return nil, err
		}
		d = old.upgrade()
	} else if err := read(data, &stored{Document: d}); err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return d, nil
}

// stored is a document with what is in the stored form and not used any more.
type stored struct {
	*Document
	Exposure json.RawMessage `json:"exposure"` // of the whole zone; the keys and the key set have their own
}

// read fills a document of some version; nothing in the stored form may be
// unknown to it, and nothing may follow.
func read(data []byte, into any) error {
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(into); err != nil {
		return fmt.Errorf("%w: %s", ErrDamaged, explain(err))
	}
	if _, err := in.Token(); err != io.EOF {
		return fmt.Errorf("%w: something stands behind the document", ErrDamaged)
	}
	return nil
}

// explain says in words where a document cannot be read.
func explain(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("not JSON at octet %d: %v", syntax.Offset, syntax)
	case errors.As(err, &kind):
		return fmt.Sprintf("field %q at octet %d holds a %s", strings.TrimPrefix(kind.Field, "Document."), kind.Offset, kind.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// Encode returns the stored form of the document. A document that Decode would
// refuse is not encoded.
func (d *Document) Encode() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("state of %s: %w", d.Zone, err)
	}
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("state of %s: %w", d.Zone, err)
	}
	return append(data, '\n'), nil
}
