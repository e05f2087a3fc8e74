// Package resource holds the nouns of a governance repository: one Go type for
// each kind of YAML file, the Set they form together and the difference between
// two Sets. It decides nothing, does no I/O and never reads the clock.
package resource

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"

	"github.com/assent-dev/assent/engine/diag"
)

// APIVersion is the one version of the resource format that this engine reads.
const APIVersion = "assent.dev/v1"

// Kind is the kind of a resource, as written in its file.
type Kind string

// The kinds of a governance repository.
const (
	KindRepository        Kind = "Repository"
	KindUser              Kind = "User"
	KindGroup             Kind = "Group"
	KindConnection        Kind = "Connection"
	KindDataSource        Kind = "DataSource"
	KindMaskingPolicy     Kind = "MaskingPolicy"
	KindDomain            Kind = "Domain"
	KindDataProduct       Kind = "DataProduct"
	KindRequestForm       Kind = "RequestForm"
	KindDataUseAgreement  Kind = "DataUseAgreement"
	KindAccessRequest     Kind = "AccessRequest"
	KindNotificationRoute Kind = "NotificationRoute"
	KindAccessReview      Kind = "AccessReview"
)

// KindLevel is no kind of file. A Ref of it names a level of a connection, such as
// warehouse/shop/public, where a role opens everything below; see LevelRef.
const KindLevel Kind = "Level"

// Kinds lists every kind in the order a reader of the documentation meets them.
func Kinds() []Kind {
	return []Kind{
		KindRepository, KindUser, KindGroup, KindConnection, KindDataSource, KindMaskingPolicy,
		KindDomain, KindDataProduct, KindRequestForm, KindDataUseAgreement, KindAccessRequest, KindAccessReview, KindNotificationRoute,
	}
}

// Name identifies a resource among those of its kind. It is metadata.name, but
// for a DataSource, whose name is the path of its file below sources/ without
// the extension: connection/database/schema/table.
type Name string

// Ref names one resource of the repository.
type Ref struct {
	Kind Kind `json:"kind"`
	Name Name `json:"name"`
}

// Compare orders references by kind, then name.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(cmp.Compare(r.Kind, o.Kind), cmp.Compare(r.Name, o.Name))
}

// String renders kind/name.
func (r Ref) String() string { return string(r.Kind) + "/" + string(r.Name) }

// Resource is one decoded file.
type Resource interface {
	// Ref names the resource.
	Ref() Ref
	// Meta is the resource's metadata block.
	Meta() Metadata
	// Origin is the file that the resource was decoded from.
	Origin() Origin
	// At finds the place of a value in the file: At("spec", "sources", 0).
	// The nearest ancestor that exists answers for a value that does not.
	At(path ...any) diag.Pos
}

// Metadata is the block that every kind shares.
type Metadata struct {
	Name        string            `yaml:"name" json:"name"`
	Title       string            `yaml:"title,omitempty" json:"title,omitempty"`
	Description string            `yaml:"description,omitempty" json:"description,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty" json:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty" json:"annotations,omitempty"`
}

// Origin is the file behind a resource: its path in the repository, the git
// object id of its blob and the bytes themselves. OID is empty for a file that
// git does not hold yet.
type Origin struct {
	File string
	OID  string
	Raw  []byte
}

// Digest is "sha256:" and the SHA-256 of the raw bytes, in hexadecimal.
// Forms, agreements and flows are pinned by it.
func (o Origin) Digest() string {
	sum := sha256.Sum256(o.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Header is the envelope of every file, embedded in every kind.
type Header struct {
	APIVersion string   `yaml:"apiVersion" json:"apiVersion"`
	Kind       Kind     `yaml:"kind" json:"kind"`
	Metadata   Metadata `yaml:"metadata" json:"metadata"`

	// Source is set by the decoder and is no part of the file.
	Source Origin `yaml:"-" json:"-"`
}

// Meta implements Resource.
func (h *Header) Meta() Metadata { return h.Metadata }

// Origin implements Resource.
func (h *Header) Origin() Origin { return h.Source }

// Ref implements Resource. DataSource overrides it.
func (h *Header) Ref() Ref { return Ref{Kind: h.Kind, Name: Name(h.Metadata.Name)} }

// At implements Resource.
func (h *Header) At(path ...any) diag.Pos { return Locate(h.Source.File, h.Source.Raw, path...) }

// Digest is the digest of the file behind the resource.
func (h *Header) Digest() string { return h.Source.Digest() }
