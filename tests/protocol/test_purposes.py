"""Purposes by name: what each kind of code does, and their words for people. The table's oracle is a neighbour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import InputError
from medfed.protocol import purposes
from medfed.protocol.purposes import PARAMETERISED, Purpose

PERMISSIONS = list(Purpose)[:6]
CONDITIONS = [code for code in Purpose if code >= Purpose.GSO]
MANY = sum(CONDITIONS)

bits = st.sets(st.sampled_from(list(Purpose))).map(lambda codes: int(sum(codes)))


def test_permissions_widen_along_the_ontology():
    """What is asked for by one permission is covered by those that include it; any research is no clinical care."""
    granted = {
        have.name: "".join(f"{want.name} " for want in PERMISSIONS if purposes.permits(have, want)).split()
        for have in PERMISSIONS
    }
    assert granted == {
        "GRU": ["GRU", "HMB", "DS", "POA"],
        "HMB": ["HMB", "DS"],
        "DS": ["DS"],
        "POA": ["POA"],
        "CC": ["CC"],
        "NRES": ["GRU", "HMB", "DS", "POA", "CC"],
    }


def test_clinical_care_is_a_permission():
    """Who permits it permits more, and nobody who did not is asked to serve it."""
    care = Purpose.HMB | Purpose.CC
    assert purposes.permits(care, Purpose.HMB)
    assert purposes.permits(care, care)
    assert purposes.permits(care, Purpose.CC)
    assert not purposes.permits(Purpose.HMB, care)
    assert purposes.narrows(care, Purpose.HMB)
    assert not purposes.narrows(Purpose.HMB, care)


@pytest.mark.parametrize("code", CONDITIONS)
def test_every_condition_restricts(code):
    """Consent under a condition serves only a request that names it; naming more never harms."""
    assert not purposes.permits(Purpose.HMB | code, Purpose.HMB)
    assert purposes.permits(Purpose.HMB | code, Purpose.HMB | code)
    assert purposes.permits(Purpose.HMB | code, Purpose.HMB | MANY)
    assert purposes.narrows(Purpose.HMB, Purpose.HMB | code)
    assert not purposes.narrows(Purpose.HMB | code, Purpose.HMB)


def test_denials_demand_nothing():
    """Neither code has to be named by a study that is neither into ancestry nor into methods."""
    consent = Purpose.GRU | Purpose.NPOA | Purpose.NMDS
    for request in (Purpose.HMB, Purpose.DS, Purpose.GRU | Purpose.NPOA | Purpose.NMDS):
        assert purposes.permits(consent, request)
    for request in (Purpose.POA, Purpose.HMB | Purpose.MDS, Purpose.GRU, Purpose.GRU | Purpose.NPOA):
        assert not purposes.permits(consent, request)


def test_a_request_does_not_deny_what_it_does():
    for request in (Purpose.POA | Purpose.NPOA, Purpose.HMB | Purpose.MDS | Purpose.NMDS):
        assert not purposes.permits(Purpose.NRES, request)


def test_development_of_methods_needs_no_permission():
    for have, want in ((Purpose.HMB, Purpose.DS), (Purpose.POA, Purpose.POA), (Purpose.DS, Purpose.DS)):
        assert purposes.permits(have, want | Purpose.MDS)
        assert not purposes.permits(have | Purpose.NMDS, want | Purpose.MDS)


def test_npuncu_is_npu_and_ncu():
    assert Purpose.NPUNCU == Purpose.NPU | Purpose.NCU
    assert not purposes.permits(Purpose.HMB | Purpose.NPUNCU, Purpose.HMB | Purpose.NPU)


class TestDiseases:
    def test_data_for_health_research_serve_any(self):
        """And data for one disease serve that alone."""
        for uses, of_another in ((Purpose.GRU, True), (Purpose.HMB, True), (Purpose.DS, False)):
            assert purposes.permits_study(uses, 7, Purpose.DS, 7)
            assert purposes.permits_study(uses, 7, Purpose.DS, 8) is of_another
            assert purposes.permits_study(uses, 0, Purpose.DS, 8) is of_another
        assert purposes.permits_study(Purpose.HMB, 7, Purpose.HMB, 0)

    def test_patients_of_another_are_asked_for_health_research(self):
        """A consent to research into one's own disease is no consent to research into another."""
        request = Purpose.DS | Purpose.IRB
        assert purposes.asked(request, 7, 7) == request
        for disease, requested in ((7, 8), (0, 8), (0, 0)):
            assert purposes.asked(request, disease, requested) == Purpose.HMB | Purpose.IRB
        for other in (Purpose.HMB, Purpose.POA | Purpose.CC, Purpose.GRU):
            assert purposes.asked(other, 7, 8) == other

    def test_what_is_no_request_is_not_made_one(self):
        """HMB and DS together: with another disease they would be HMB."""
        assert not purposes.permits_study(Purpose.GRU, 7, Purpose.DS | Purpose.HMB, 8)


class TestConfirmations:
    def test_a_sponsor_alone_meets_no_parameterised_condition(self):
        every = Purpose.HMB | PARAMETERISED | Purpose.IRB
        assert purposes.met(every, 0) == Purpose.HMB | Purpose.IRB
        for code in (code for code in Purpose if code & PARAMETERISED):
            assert not purposes.permits(Purpose.HMB | code, purposes.met(every, PARAMETERISED & ~code))
            assert purposes.permits(Purpose.HMB | code, purposes.met(every, code))

    def test_what_the_study_does_not_name_is_not_met_by_confirming_it(self):
        assert purposes.met(Purpose.HMB, PARAMETERISED) == Purpose.HMB
        purposes.check_confirmable(Purpose.HMB | Purpose.IS, Purpose.IS)
        for confirmed, words in ((Purpose.US, "US"), (Purpose.HMB, "HMB"), (1 << 31, "0x80000000")):
            with pytest.raises(InputError, match=f"does not ask for {words} to be"):
                purposes.check_confirmable(Purpose.HMB | Purpose.IS, int(confirmed) | Purpose.IS)

    @given(bits)
    def test_a_byte_holds_them(self, value):
        assert purposes.from_byte(purposes.to_byte(value)) == value & PARAMETERISED
        assert 0 <= purposes.to_byte(value) < 128


class TestChecks:
    def test_a_consent_needs_a_permission_that_it_does_not_deny(self):
        purposes.check_consent(Purpose.HMB | Purpose.POA | Purpose.IRB)
        purposes.check_consent(Purpose.NRES)
        for consent in (0, Purpose.IRB, Purpose.POA | Purpose.NPOA, Purpose.NMDS):
            with pytest.raises(InputError, match="permit nothing"):
                purposes.check_consent(consent)

    def test_no_restriction_stands_beside_none(self):
        for code in (Purpose.NPOA, Purpose.IRB, Purpose.IS):
            with pytest.raises(InputError, match="no restriction"):
                purposes.check_consent(Purpose.NRES | code)
            assert not purposes.permits(Purpose.NRES | code, Purpose.POA)

    def test_a_consent_does_nothing(self):
        with pytest.raises(InputError, match="Leave MDS out"):
            purposes.check_consent(Purpose.HMB | Purpose.MDS)
        assert not purposes.permits(Purpose.HMB | Purpose.MDS, Purpose.HMB)

    def test_a_request_names_one_kind_of_research(self):
        for request in (Purpose.HMB | Purpose.IRB, Purpose.CC, Purpose.DS | Purpose.CC | Purpose.MDS):
            purposes.check_request(request)
        for request in (
            *(0, Purpose.IRB, Purpose.MDS, Purpose.HMB | Purpose.POA, Purpose.NRES),
            *(Purpose.POA | Purpose.NPOA, Purpose.HMB | Purpose.MDS | Purpose.NMDS),
        ):
            with pytest.raises(InputError, match="exactly one"):
                purposes.check_request(request)

    def test_bit_of_details_is_passed_over_in_a_consent_and_refused_elsewhere(self):
        """It stands on chain where a consent has details; nobody names it."""
        detailed = int(Purpose.GRU) | purposes.DETAILS
        assert purposes.permits(detailed, int(Purpose.HMB))
        assert purposes.narrows(detailed, int(Purpose.HMB))
        assert not purposes.permits(int(Purpose.GRU), detailed)
        for check in (purposes.check_consent, purposes.check_request):
            with pytest.raises(InputError, match="no code"):
                check(detailed)

    @pytest.mark.parametrize("bit", [7, 9, 23])
    def test_undefined_bits_are_refused(self, bit):
        stray = Purpose.GRU | 1 << bit
        assert not purposes.permits(stray, Purpose.GRU)
        assert not purposes.permits(Purpose.GRU, stray)
        for check in (purposes.check_consent, purposes.check_request, purposes.describe, purposes.names):
            with pytest.raises(InputError, match="no code"):
                check(stray)


class TestWords:
    def test_parse_reads_codes_and_identifiers(self):
        wanted = Purpose.HMB | Purpose.IRB
        for text in ("HMB,IRB", " irb hmb ", "DUO:0000006, DUO:0000021"):
            assert purposes.parse(text) == wanted
        assert purposes.parse("DUO:0000018") == purposes.parse("NPUNCU") == Purpose.NPU | Purpose.NCU
        with pytest.raises(InputError, match="'XYZ' is no purpose"):
            purposes.parse("HMB,XYZ")
        with pytest.raises(InputError, match="No purpose"):
            purposes.parse(" , ")

    @given(bits.filter(bool))
    def test_names_are_parsed_back(self, value):
        assert purposes.parse(",".join(purposes.names(value))) == value

    def test_describe_says_whose_word_it_is(self):
        told = purposes.describe(Purpose.HMB | Purpose.NMDS | Purpose.IRB | Purpose.NCU | Purpose.IS)
        assert told == (
            "health, medical or biomedical research; no development of methods; only if the sponsor promises: an ethics "
            "approval, no commercial use; only if the hospital confirms: an approved institution"
        )
        assert all(purposes.describe(code) for code in Purpose)

    def test_of_a_study_they_are_told_as_what_it_meets(self):
        told = purposes.describe_request(Purpose.HMB | Purpose.IRB | Purpose.IS)
        assert told == (
            "health, medical or biomedical research; the sponsor promises: an ethics approval; the hospital confirms: an "
            "approved institution"
        )

    @given(bits)
    def test_a_consent_is_void_that_permits_no_study_of_the_dataset(self, value):
        """Compared with asking for each use there is, under every condition."""
        try:
            purposes.check_consent(value)
        except InputError:
            return
        uses = (Purpose.GRU | Purpose.NPOA, Purpose.HMB, Purpose.DS, Purpose.POA, Purpose.CC)
        for disease in (0, 7):
            asked = [purposes.asked(use | MANY | Purpose.NMDS, disease, 7) for use in uses]
            serves = any(purposes.permits(value, request) for request in asked)
            assert purposes.is_void(value, disease) is not serves

    def test_codes_outside_the_ontology_have_no_identifier(self):
        ours = {code.name for code in Purpose if not purposes.duo_id(code)}
        assert ours == {"MDS", "NRI", "NGU"}
