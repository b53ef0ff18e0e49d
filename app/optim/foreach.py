"""Operations on lists of tensors, a kernel for many of them: what torch's optimisers are made of, under its own names.

torch does not document them, so they are named here only.
"""

from __future__ import annotations

import torch

add_, addcdiv_, addcmul_, div_ = (
    torch._foreach_add_,
    torch._foreach_addcdiv_,
    torch._foreach_addcmul_,
    torch._foreach_div_,
)
lerp, lerp_, mul_, sign_ = torch._foreach_lerp, torch._foreach_lerp_, torch._foreach_mul_, torch._foreach_sign_
copy_, sqrt, zero_ = torch._foreach_copy_, torch._foreach_sqrt, torch._foreach_zero_
