// SPDX-License-Identifier: Apache-2.0

// Package house holds the plan of the house as a test: which package may
// import which, and which package owns which dependency.
package house
