// Package parent asks which DS records the parent of a zone publishes.
package parent

import (
	"context"
	"errors"
)

// ErrUnreachable says that what the parent publishes is not known: nobody
// answered in time, or not with an answer that can be believed.
var ErrUnreachable = errors.New("parent not reachable")

// ErrDisagree says that the servers asked do not publish the same DS records.
var ErrDisagree = errors.New("servers of the parent disagree")

// DS is a DS record (RFC 4034 section 5) as it was seen at the parent.
type DS struct {
	KeyTag     uint16
	Algorithm  uint8
	DigestType uint8
	Digest     []byte
	TTL        uint32 // seconds; of several servers the longest
}

// Observer asks for DS records. The zero value asks the system's resolvers.
type Observer struct {
	// Agents are servers of the parent, or resolvers that are trusted to know
	// them, as "host" or "host:port". All are asked and all must agree. Without
	// agents the system's resolvers are asked, one after the other, until one answers.
	Agents []string

	// Resolvers are asked instead of those in /etc/resolv.conf.
	Resolvers []string
}

// DS returns the DS records that the parent of a zone publishes, none and no
// error if it is certain that there are none. The root has no parent and so
// none. Errors are ErrUnreachable or ErrDisagree with the reason in words.
func (o Observer) DS(ctx context.Context, zone string) ([]DS, error) {
	panic("soon")
}
