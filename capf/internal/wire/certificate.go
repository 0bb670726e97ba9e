// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// MakeCertificate makes the element Certificate (FORMATS 6.3). It fails only
// for a certificate that no message can hold.
func MakeCertificate(use uint8, der []byte) (Element, error) {
	body := binary.BigEndian.AppendUint16(nil, uint16(use))
	v, err := Elements{{CertificateBody, append(body, der...)}}.Marshal()
	return Element{Certificate, v}, err
}

// CertificateDER is the DER of the element Certificate, nil if there is none.
// The type before it is not looked at: what a MIC carries there is not known
// (FORMATS 9.1, 8).
func (e Elements) CertificateDER() ([]byte, error) {
	nested, err := e.Nested(Certificate)
	if err != nil || nested == nil {
		return nil, err
	}
	body := nested.Value(CertificateBody)
	if len(body) < 2 {
		return nil, syntaxf("element %d holds no certificate", Certificate)
	}
	return body[2:], nil
}
