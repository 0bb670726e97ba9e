// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// phoneConfig is what a phone reads in its configuration before it can go on
// (FORMATS 8).
type phoneConfig struct {
	FullConfig        string   `xml:"fullConfig"`
	Protocol          string   `xml:"deviceProtocol"`
	LoadInformation   string   `xml:"loadInformation"`
	CAPFAuthMode      string   `xml:"capfAuthMode"`
	CAPF              []capfAt `xml:"capfList>capf"`
	CertHash          string   `xml:"certHash"`
	EncrConfig        string   `xml:"encrConfig"`
	UserLocale        string   `xml:"userLocale>name"`
	NetworkLocale     string   `xml:"networkLocale"`
	NetworkLocaleInfo string   `xml:"networkLocaleInfo>name"`
	DialTemplate      string   `xml:"sipProfile>dialTemplate"`
	SoftKeyFile       string   `xml:"sipProfile>softKeyFile"`
	FeaturePolicyFile string   `xml:"featurePolicyFile"`
}

// capfAt is where a phone enrols.
type capfAt struct {
	Host string `xml:"processNodeName"`
	Port string `xml:"phonePort"`
}

// parsePhoneConfig reads a configuration in the encodings that there are.
func parsePhoneConfig(b []byte) (*phoneConfig, error) {
	d := xml.NewDecoder(transform.NewReader(bytes.NewReader(b), unicode.BOMOverride(transform.Nop)))
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if strings.HasPrefix(strings.ToLower(label), "utf-16") {
			return in, nil // the byte order mark has settled it
		}
		return charmap.ISO8859_1.NewDecoder().Reader(in), nil
	}
	var c phoneConfig
	if err := d.Decode(&c); err != nil {
		line, _ := d.InputPos()
		return nil, fmt.Errorf("it is not well-formed XML: line %d", line)
	}
	return &c, nil
}

// short says whether there is more to fetch.
func (c *phoneConfig) short() bool { return isFalse(c.FullConfig) && isTrue(c.EncrConfig) }

// capf is where the phone would enrol; empty if the configuration does not say.
func (c *phoneConfig) capf() string {
	if len(c.CAPF) == 0 {
		return ""
	}
	at := c.CAPF[0]
	return withPort(strings.TrimSpace(at.Host), strings.TrimSpace(at.Port))
}

// locale is the folder of the tones.
func (c *phoneConfig) locale() string {
	if name := strings.TrimSpace(c.NetworkLocaleInfo); name != "" {
		return name
	}
	return strings.TrimSpace(c.NetworkLocale)
}

// jars are the names that the user interface's language may have: which one a
// phone asks for depends on its model.
func (c *phoneConfig) jars() []string {
	protocol := "sip"
	if strings.EqualFold(strings.TrimSpace(c.Protocol), "SCCP") {
		protocol = "sccp"
	}
	var all []string
	for _, model := range []string{"mk", "sl-be", "sl-bev", "gd", "td"} {
		all = append(all, strings.TrimSpace(c.UserLocale)+"/"+model+"-"+protocol+".jar")
	}
	return all
}

// rings is the list of ring tones of the phone, by the name of its firmware.
func (c *phoneConfig) rings() string {
	load := strings.ToLower(strings.TrimSpace(c.LoadInformation))
	if strings.HasPrefix(load, "sip78") || strings.HasPrefix(load, "sip88") {
		return "Ringlist-wb.xml"
	}
	return "Ringlist.xml"
}

func isTrue(text string) bool {
	text = strings.TrimSpace(text)
	return strings.EqualFold(text, "true") || text == "1"
}

func isFalse(text string) bool {
	text = strings.TrimSpace(text)
	return strings.EqualFold(text, "false") || text == "0"
}

// firmwarePart is a file name in a .loads file.
var firmwarePart = regexp.MustCompile(`[A-Za-z0-9][A-Za-z0-9._-]*\.(sbn|sebn|sgn|zz)\b`)

// firmwareParts are the files that a .loads file names. Its format is Cisco's
// own; what it names stands in it as plain text.
func firmwareParts(loads []byte) []string {
	var all []string
	seen := map[string]bool{}
	for _, name := range firmwarePart.FindAllString(string(loads), -1) {
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}
