package resource

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// New makes an empty resource of a kind. ok is false for a kind that does not
// exist.
func New(kind Kind) (r Resource, ok bool) {
	switch kind {
	case KindRepository:
		return &Repository{}, true
	case KindUser:
		return &User{}, true
	case KindGroup:
		return &Group{}, true
	case KindConnection:
		return &Connection{}, true
	case KindDataSource:
		return &DataSource{}, true
	case KindMaskingPolicy:
		return &MaskingPolicy{}, true
	case KindDomain:
		return &Domain{}, true
	case KindDataProduct:
		return &DataProduct{}, true
	case KindRequestForm:
		return &RequestForm{}, true
	case KindDataUseAgreement:
		return &DataUseAgreement{}, true
	case KindAccessRequest:
		return &AccessRequest{}, true
	case KindAccessReview:
		return &AccessReview{}, true
	case KindNotificationRoute:
		return &NotificationRoute{}, true
	default:
		return nil, false
	}
}

func (h *Header) setOrigin(o Origin) { h.Source = o }

// FromNode makes a resource of a kind from the root node of its file. It trusts
// that the file follows the profile and the schema, which package repo sees to:
// an error here means that the schema and the Go type disagree.
func FromNode(kind Kind, root *yaml.Node, origin Origin) (Resource, error) {
	r, ok := New(kind)
	if !ok {
		return nil, fmt.Errorf("decode %s: unknown kind %q", origin.File, kind)
	}
	if err := root.Decode(r); err != nil {
		return nil, fmt.Errorf("decode %s: %w", origin.File, err)
	}
	r.(interface{ setOrigin(Origin) }).setOrigin(origin)
	return r, nil
}
