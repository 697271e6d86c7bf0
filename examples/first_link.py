"""
A first link
============

Ten digits over a Rayleigh channel: what is sent, what arrives, what the receiver decides.
"""

# %%
# A link is a recipe with its data and its trained weights. Those of the digits come with semlink.
import matplotlib.pyplot as plt

import semlink

link = semlink.load("digits")
test = link.data.test
print("schemes:", ", ".join(link.schemes))

# %%
# Send ten images over k = 16 complex channel uses each. The SNR is Es/N0 in dB per channel use,
# averaged over fading.
images = test.images[:10]
sent = semlink.send(link["rkd_sc"], images, channel="rayleigh", snr_db=5, k=16)
print("sent    ", test.labels[:10].tolist())
print("decided ", sent.classes.tolist())
print("|h|     ", [round(float(gain), 2) for gain in sent.h[:, 0].abs()])

# %%
# Symbols of the first image: as sent, as received, and after MMSE equalisation. Digital schemes
# have none, unless the link is loaded with ``bit_true=True``.
figure, axes = plt.subplots(figsize=(4, 4))
for name, symbols in {"x": sent.x, "y": sent.y, "equalised": sent.equalised}.items():
    if symbols is not None:
        axes.scatter(symbols[0].real, symbols[0].imag, label=name)
axes.set(xlabel="in-phase", ylabel="quadrature", aspect="equal")
axes.legend()
figure.tight_layout()

# %%
# Accuracy of two schemes on the first 200 test images, with 95 % intervals over images.
grid = semlink.Grid(snr_db=(-10, 0, 10), channel_uses=(16,), channels=("awgn",))
results = semlink.sweep(link, ["rkd_sc", "label_code"], grid, images=200)
print(results.table[["scheme", "snr_db", "accuracy", "ci_low", "ci_high"]].to_string(index=False))
