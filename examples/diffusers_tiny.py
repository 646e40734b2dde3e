"""A tiny diffusion model learns scikit-learn's digits with Diffusers in a plain PyTorch loop: forecast and budget.

pip install "carbonwatch[torch,sklearn]" diffusers
python examples/diffusers_tiny.py --budget-g 0.5
"""

from __future__ import annotations

import argparse

import torch
from diffusers import DDPMScheduler, UNet2DModel
from sklearn.datasets import load_digits

from carbonwatch.integrations.torch import Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--budget-g", type=float, default=5.0, help="grams of CO2e, then training stops")
    args = parser.parse_args()
    images = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 8 - 1
    model = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
    )
    with Training("tiny diffusion", epochs=args.epochs, budget_g=args.budget_g) as training:
        for epoch in training:
            print(f"epoch {epoch + 1}: loss {learn(model, images):.3f}")
            if epoch == 1:
                print(training.forecast)
    print(training.measurement)


def learn(model: UNet2DModel, images: torch.Tensor) -> float:
    """One epoch; gives its mean loss."""
    noise_of = DDPMScheduler(num_train_timesteps=100)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses: list[float] = []
    for batch in torch.split(images, 128):
        noise, steps = torch.randn_like(batch), torch.randint(0, 100, (len(batch),))
        guess = model(noise_of.add_noise(batch, noise, steps), steps).sample
        loss = torch.nn.functional.mse_loss(guess, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


if __name__ == "__main__":
    main()
