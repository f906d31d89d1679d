package sign

import "github.com/autosign-dns/autosign/plugin/zone"

// Plan is one pass over a zone: what has to be signed. Its methods are not safe
// for concurrent use; its jobs are, with each other.
type Plan struct {
	in Input
}

// Job is a part of a plan's work, about a thousand RRsets.
type Job struct {
	plan  *Plan
	n     int  // block, or bucket of the NSEC3 chain
	chain bool // it is a bucket
}

// NewPlan checks the input and finds the parts of the zone in which something
// has to be signed; with a previous version the rest is shared.
func NewPlan(in Input) (*Plan, error) { return &Plan{in: in}, nil }

// Jobs returns the jobs to run before Assemble.
func (p *Plan) Jobs() []Job { return nil }

// Run makes the job's signatures. Each job runs once.
func (j Job) Run() error { return nil }

// Signatures returns how many signatures were made, those of Seal included.
func (p *Plan) Signatures() int { return 0 }

// Assemble puts the jobs' results together. The SOA record is still the
// source's and unsigned; Digest, Expiry and Due are set, and count with the
// signature that Seal will make.
//
// A Digest equal to the previous version's means that there is nothing to
// publish. It covers the SOA record but for its serial.
func (p *Plan) Assemble() (*zone.Signed, error) { return nil, nil }

// Seal gives the zone its serial and signs the SOA record.
func (p *Plan) Seal(s *zone.Signed, serial uint32) (*zone.Signed, error) { return nil, nil }
