package key

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
)

// Digest types of DS records (RFC 4509, RFC 6605).
const (
	SHA256 uint8 = 2
	SHA384 uint8 = 4
)

// DS returns the RDATA of a DS record for the key (RFC 4034 section 5.1.4).
// originWire is the zone's name in wire form; its case does not matter.
func (k Key) DS(originWire []byte, digest uint8) ([]byte, error) {
	input := make([]byte, 0, len(originWire)+4+len(k.Public))
	for _, c := range originWire {
		// Label lengths are below 64, so they are never taken for a letter.
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		input = append(input, c)
	}
	input = append(input, k.DNSKEY()...)
	rdata := []byte{byte(k.Tag >> 8), byte(k.Tag), byte(k.Algorithm), digest}
	switch digest {
	case SHA256:
		sum := sha256.Sum256(input)
		return append(rdata, sum[:]...), nil
	case SHA384:
		sum := sha512.Sum384(input)
		return append(rdata, sum[:]...), nil
	}
	return nil, fmt.Errorf("ds: digest type %d is not supported: 2 (SHA-256) and 4 (SHA-384) are", digest)
}

// DeleteCDS returns the RDATA of the CDS record, alone in its set, that asks the
// parent to remove all DS records: 0 0 0 00 (RFC 8078 section 4).
func DeleteCDS() []byte { return []byte{0, 0, 0, 0, 0} }

// DeleteCDNSKEY returns the RDATA of the CDNSKEY record that asks for the same:
// 0 3 0 AA== (RFC 8078 section 4).
func DeleteCDNSKEY() []byte { return []byte{0, 0, protocol, 0, 0} }

// CDS returns the RDATA of a CDS record for the key (RFC 7344 section 3.1).
func (k Key) CDS(originWire []byte, digest uint8) ([]byte, error) { return k.DS(originWire, digest) }
