package zone

import "fmt"

// Warning is something about a zone that does not keep it from being signed.
type Warning struct {
	What string // with the first name it is true of
	More int    // how many more names it is true of
}

func (w Warning) String() string {
	if w.More > 0 {
		return fmt.Sprintf("%s (and %d more)", w.What, w.More)
	}
	return w.What
}

// noteKind is a kind of warning; its text has a place for the name.
type noteKind int

const (
	noteTTL noteKind = iota
	noteBelowCut
	noteBelowDNAME
	noteZONEMD
	noteKinds
)

var noteText = [noteKinds]string{
	noteTTL:        "%s has an RRset with uneven TTLs; the lowest is used (RFC 2181 section 5.2)",
	noteBelowCut:   "%s is below a delegation and holds more than addresses; it is not signed and not answered",
	noteBelowDNAME: "%s is below a DNAME; it is not signed and not answered (RFC 6672 section 2.4)",
	noteZONEMD:     "%s has a ZONEMD record of the unsigned zone; it is left out (RFC 8976)",
}

// notes collects warnings, one a kind.
type notes [noteKinds]struct {
	first string
	count int
}

func (n *notes) add(kind noteKind, owner []byte) {
	if n[kind].count++; n[kind].count == 1 {
		n[kind].first = Text(owner)
	}
}

func (n *notes) warnings() (list []Warning) {
	for kind, note := range n {
		if note.count > 0 {
			list = append(list, Warning{fmt.Sprintf(noteText[kind], note.first), note.count - 1})
		}
	}
	return list
}
